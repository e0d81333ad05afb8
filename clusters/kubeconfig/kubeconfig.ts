import type { Axes, AxisTexts } from '../../harness/contracts/axes.ts';
import type {
  Capability,
  Cluster,
  ClusterSpec,
  Provider,
  RunContext,
} from '../../harness/contracts/cluster.ts';
import { type DataplaneName, dataplane } from '../../harness/platforms/dataplanes.ts';
import { heed } from '../../harness/time/heed.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { refusesAddresses } from '../kubernetes/front/client-addresses.ts';
import { findHops, hopFacts, hopLacked, hopsOffered } from '../kubernetes/front/found-hops.ts';
import { googleRequest, heedBalancer, withBalancer } from '../kubernetes/front/google-balancer.ts';
import { gatewayImageName } from '../kubernetes/gateway/gateway-image.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import { diagnose } from './diagnose.ts';
import { axesOf, balancerOf } from './findings.ts';
import { KUBECONFIG_OPTIONS, type KubeconfigOptions, kubeconfigOptions } from './kubeconfig-options.ts';
import { connect, type Found, getter, hopChoice, load, look } from './preflight-kubeconfig.ts';
import { sweepKubeconfig } from './sweep-kubeconfig.ts';

/** What every cluster can do; the rest is for preflight to find. */
const ALWAYS: readonly Capability[] = ['passthrough-balancer', 'balancer-recreation', 'second-balancer'];

/** Any cluster that a kubeconfig reaches: a namespace of its own there, and nothing else is touched. */
export function createKubeconfig(options: KubeconfigOptions = kubeconfigOptions({})): Provider {
  /** What preflight found; the cluster is what it is, and axes can only say so. */
  let found: Found | undefined;
  return {
    name: 'kubeconfig',
    description:
      'measured on a cluster of yours, in a namespace of its own; its balancer and nodes are what they are',
    evidence: 'measured',
    runs: 'image',
    get offers() {
      return new Set<Capability>([...ALWAYS, ...(found === undefined ? [] : hopsOffered(found.hops))]);
    },
    lacks: (need) =>
      need === 'node-power'
        ? 'the machines of your cluster carry more than this run, and are not switched off; use --cluster sim, netns or kind'
        : found === undefined
          ? undefined
          : hopLacked(found.hops, need),
    refuses: (axes) => (found === undefined ? undefined : (refusal(axes, found) ?? refusesAddresses(axes))),
    given: () => (found === undefined ? {} : given(found)),
    options: KUBECONFIG_OPTIONS,
    configure: (chosen) => createKubeconfig(kubeconfigOptions(chosen)),
    async preflight() {
      const { preflight, ...rest } = await look(options);
      found = rest.found;
      return preflight;
    },
    async diagnose(suspect) {
      const get = getter(await connect(options));
      const hops = found?.hops ?? (await findHops(get, hopChoice(options)));
      return diagnose(get, new ScaledClock(1), suspect, hopFacts(hops, true));
    },
    async observe(suspect, context) {
      const { observe } = await import('./observe.ts');
      return observe(options, suspect, context);
    },
    open: (spec, context) => openCell(spec, context, options, found),
    sweep: (signal) => sweepKubeconfig(options, signal),
  };
}

/** On GKE each Service may choose its own balancer; elsewhere it is what it is. */
const isGoogle = ({ findings, entrance }: Found) =>
  entrance === 'load-balancer' && findings.nodes.some(({ spec }) => spec?.providerID?.startsWith('gce:'));

const given = ({ findings, entrance }: Found): AxisTexts => axesOf(findings, entrance);

async function openCell(
  spec: ClusterSpec,
  context: RunContext,
  options: KubeconfigOptions,
  found: Found | undefined,
): Promise<Cluster> {
  const { KubernetesCluster } = await import('../kubernetes/kubernetes-cluster.ts');
  const known = found ?? (await heed(look(options), context.signal)).found;
  const entrance = known?.entrance ?? 'node-port';
  const asksGoogle = known !== undefined && isGoogle(known);
  const cluster = await KubernetesCluster.open({
    spec,
    context,
    config: await load(options),
    name: nameFor('kubeconfig', spec.name),
    image: options['gateway-image'] ?? (await gatewayImageName()),
    entrance,
    ...(asksGoogle
      ? { balancedService: (service) => withBalancer(service, spec.axes, known.findings.version) }
      : {}),
    ...(known === undefined ? {} : { hops: known.hops }),
    retain: options.retain === 'true',
    facts: {
      entrance,
      balancer:
        entrance === 'node-port' || known === undefined
          ? 'none in the way: node ports'
          : balancerOf(known.findings).words,
    },
  });
  if (asksGoogle) heedBalancer(cluster, spec.axes);
  return cluster;
}

/** A cell must say what the cluster is, or its prediction would be for another one. */
function refusal(axes: Axes, found: Found): string | undefined {
  const is = given(found);
  const request = isGoogle(found) ? googleRequest(axes.balancer, found.findings.version) : {};
  if ('refused' in request) return request.refused;
  if (
    found.entrance === 'load-balancer' &&
    !isGoogle(found) &&
    is.balancer !== undefined &&
    is.balancer !== axes.balancer
  )
    return `this cluster's balancer is ${is.balancer}, not ${axes.balancer}`;
  if (is.nodes !== undefined && Number(is.nodes) !== axes.nodes)
    return `this cluster has ${is.nodes} nodes that take traffic, not ${axes.nodes}`;
  if (is.proxy !== undefined && dataplane(is.proxy as DataplaneName).mode !== dataplane(axes.proxy).mode)
    return `this cluster's dataplane is ${is.proxy}, not ${axes.proxy}`;
  if (is.kubernetes !== undefined && is.kubernetes !== axes.kubernetes)
    return `this cluster runs Kubernetes ${is.kubernetes}, not ${axes.kubernetes}`;
  return axes.tcpLoose === '0' ? 'nf_conntrack_tcp_loose of these nodes is not touched' : undefined;
}
