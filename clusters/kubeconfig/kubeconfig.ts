import { existsSync } from 'node:fs';
import type { Axes } from '../../harness/axes.ts';
import type { Cluster, ClusterSpec, Preflight, Provider, RunContext } from '../../harness/cluster.ts';
import type { AxisTexts } from '../../harness/options.ts';
import { ScaledClock } from '../../harness/scaled-clock.ts';
import type { Entrance } from '../kubernetes/entrance.ts';
import { gatewayImageName } from '../kubernetes/gateway-image.ts';
import { nameFor } from '../kubernetes/names.ts';
import { diagnose } from './diagnose.ts';
import { axesOf, backendsOf, balancerOf, dataplaneOf, type Findings } from './findings.ts';
import { KUBECONFIG_OPTIONS, type KubeconfigOptions, kubeconfigOptions } from './kubeconfig-options.ts';
import { type Get, readFindings } from './read-findings.ts';

/** Any cluster that a kubeconfig reaches: a namespace of its own there, and nothing else is touched. */
export function createKubeconfig(options: KubeconfigOptions = kubeconfigOptions({})): Provider {
  /** What preflight found; the cluster is what it is, and axes can only say so. */
  let found: { readonly findings: Findings; readonly entrance: Entrance } | undefined;
  return {
    name: 'kubeconfig',
    description:
      'measured on a cluster of yours, in a namespace of its own; its balancer and nodes are what they are',
    evidence: 'measured',
    runs: 'image',
    offers: new Set(['passthrough-balancer', 'balancer-recreation', 'second-balancer']),
    refuses: (axes) => (found === undefined ? undefined : refusal(axes, given(found))),
    given: () => (found === undefined ? {} : given(found)),
    options: KUBECONFIG_OPTIONS,
    configure: (chosen) => createKubeconfig(kubeconfigOptions(chosen)),
    async preflight() {
      const { preflight, ...rest } = await look(options);
      found = rest.found;
      return preflight;
    },
    diagnose: async (suspect) => diagnose(getter(await connect(options)), new ScaledClock(1), suspect),
    open: (spec, context) => openCell(spec, context, options, found),
    async sweep() {
      const { sweepNamespaces } = await import('../kubernetes/run-namespace.ts');
      return sweepNamespaces(await connect(options), new ScaledClock(1));
    },
  };
}

const given = ({ findings, entrance }: { findings: Findings; entrance: Entrance }): AxisTexts =>
  axesOf(findings, entrance);

async function load({ kubeconfig, context }: KubeconfigOptions) {
  const { KubeConfig } = await import('../kubernetes/kube-config.ts');
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

async function connect(options: KubeconfigOptions) {
  const { ApiConnection } = await import('../kubernetes/api-connection.ts');
  return new ApiConnection(await load(options), new ScaledClock(1));
}

const getter =
  (connection: Awaited<ReturnType<typeof connect>>): Get =>
  (path, query = {}) =>
    connection.request('GET', path, { query });

async function look(options: KubeconfigOptions): Promise<{
  preflight: Preflight;
  found?: { findings: Findings; entrance: Entrance };
}> {
  const unusable = (what: string, mend: string) => ({
    preflight: { usable: false, missing: [{ what, mend }] } as const,
  });
  if (options.kubeconfig !== undefined && !existsSync(options.kubeconfig))
    return unusable(`there is no ${options.kubeconfig}`, 'name another file with --kubeconfig');
  try {
    const findings = await readFindings(getter(await connect(options)));
    const balancer = balancerOf(findings);
    const entrance =
      options.entrance === 'auto' ? (balancer.exists ? 'load-balancer' : 'node-port') : options.entrance;
    const nodes = backendsOf(findings.nodes).length;
    const way =
      entrance === 'load-balancer'
        ? `clients enter through the load balancer: ${balancer.words}`
        : 'clients enter through node ports: what a balancer would do to them is not measured, and predicted as one that never moves a flow';
    const notes = [
      `kubeconfig: Kubernetes ${findings.version}, ${nodes} nodes, ${dataplaneOf(findings).words}; ${way}`,
      ...(options['gateway-image'] === undefined
        ? [
            `kubeconfig: the nodes must have the image ${await gatewayImageName()}; build it with node clusters/kubernetes/image.main.ts [REPOSITORY], or name one with --gateway-image`,
          ]
        : []),
      ...(entrance === 'load-balancer' && balancer.axis === undefined
        ? ["kubeconfig: predictions are for a balancer like Google Cloud's; this one may do otherwise"]
        : []),
    ];
    return { preflight: { usable: true, notes }, found: { findings, entrance } };
  } catch (error) {
    return unusable(
      (error as Error).message,
      'see that kubectl get nodes works, and choose --kubeconfig and --context',
    );
  }
}

async function openCell(
  spec: ClusterSpec,
  context: RunContext,
  options: KubeconfigOptions,
  found: { findings: Findings; entrance: Entrance } | undefined,
): Promise<Cluster> {
  const { KubernetesCluster } = await import('../kubernetes/kubernetes-cluster.ts');
  const known = found ?? (await look(options)).found;
  const entrance = known?.entrance ?? 'node-port';
  return KubernetesCluster.open({
    spec,
    context,
    config: await load(options),
    name: nameFor('kubeconfig', spec.name),
    image: options['gateway-image'] ?? (await gatewayImageName()),
    entrance,
    retain: options.retain === 'true',
    facts: {
      entrance,
      balancer:
        entrance === 'node-port' || known === undefined
          ? 'none in the way: node ports'
          : balancerOf(known.findings).words,
    },
  });
}

/** A cell must say what the cluster is, or its prediction would be for another one. */
function refusal(axes: Axes, is: AxisTexts): string | undefined {
  if (is.nodes !== undefined && Number(is.nodes) !== axes.nodes)
    return `this cluster has ${is.nodes} nodes that take traffic, not ${axes.nodes}`;
  if (is.proxy !== undefined && is.proxy.split('-')[0] !== axes.proxy.split('-')[0])
    return `this cluster's dataplane is ${is.proxy}, not ${axes.proxy}`;
  if (is.balancer !== undefined && is.balancer !== axes.balancer)
    return `this cluster makes a ${is.balancer}, not a ${axes.balancer}`;
  return axes.tcpLoose === '0' ? 'nf_conntrack_tcp_loose of these nodes is not touched' : undefined;
}
