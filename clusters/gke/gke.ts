import { createHash } from 'node:crypto';
import { type Axes, kubernetesVersion } from '../../harness/contracts/axes.ts';
import type { Capability, Provider } from '../../harness/contracts/cluster.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import { proxyNamed } from '../../harness/platforms/proxies.ts';
import { refusesAddresses } from '../kubernetes/front/client-addresses.ts';
import { googleRequest } from '../kubernetes/front/google-balancer.ts';
import { owner } from '../kubernetes/lease/lease.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import { wallTime } from '../kubernetes/lease/wall-time.ts';
import { openCell } from './gke-cell.ts';
import { createGkeCluster, type GkeCluster } from './gke-cluster.ts';
import { GKE_OPTIONS, type GkeOptions, gkeOptions, type Shape, shapeOf } from './gke-options.ts';
import { planLines, plannedCommands, shapesOf } from './gke-plan.ts';
import { checkQuota, preflightGke } from './preflight-gke.ts';
import { priceInWords } from './price.ts';
import { sweepGke } from './sweep-gke.ts';

/** GKE: Google's own nodes and balancer, paid for while they last. */
export function createGke(options: GkeOptions = gkeOptions({})): Provider {
  /** Clusters between two cells, by shape; a run's cells come one after the other. */
  const idle = new Map<string, GkeCluster>();
  const keep = options.keep === 'true';
  return {
    name: 'gke',
    description:
      "measured on Google Kubernetes Engine, behind Google's own passthrough balancer; costs money",
    evidence: 'measured',
    runs: 'image',
    offers: new Set(['passthrough-balancer', 'balancer-recreation', 'second-balancer']),
    lacks: (need) =>
      proxyNamed(need) === undefined ? LACKS[need] : `a new cluster has nothing in front; ${ELSEWHERE}`,
    refuses: (axes) => refusal(axes, options) ?? refusesAddresses(axes),
    given: () => {
      const kubernetes = kubernetesVersion(options['gke-version'] ?? '');
      return kubernetes === undefined ? {} : { kubernetes };
    },
    preflight: () => preflightGke(options),
    options: GKE_OPTIONS,
    configure: (chosen) => createGke(gkeOptions(chosen)),
    price: (cells) => priceInWords(shapesOf(cells, options), options),
    plan: (cells) => {
      const expires = new Date(wallTime().getTime() + options['time-to-live']);
      return planLines(plannedCommands(cells, options, { owner: owner(), expires }));
    },
    async open(spec, context) {
      const shape = shapeOf(spec.axes, options);
      const key = JSON.stringify(shape);
      let gke = idle.get(key);
      if (gke === undefined) {
        await checkQuota(shape, options, context.signal);
        const name = keep ? keptName(shape, options) : nameFor('gke', spec.name);
        gke = await createGkeCluster(name, shape, options, context.signal);
      }
      idle.set(key, gke);
      return openCell(gke, spec, context, options);
    },
    async close() {
      const clusters = [...idle.values()];
      idle.clear();
      for (const cluster of clusters)
        if (keep) await cluster.vm?.[Symbol.asyncDispose]();
        else await cluster.remove();
    },
    sweep: (signal) => sweepGke(options, signal),
  };
}

const ELSEWHERE = 'install it on a cluster kept with --keep, and use --cluster kubeconfig';
/** What a cluster that was made a moment ago has nothing of. */
const LACKS: Partial<Record<Capability, string>> = {
  mesh: `a new cluster has no mesh; ${ELSEWHERE}`,
  'node-power':
    'an instance group makes its machines anew as soon as one is off; use --cluster sim, netns or kind',
};

const keptName = (shape: Shape, options: GkeOptions) =>
  `onedrop-keep-${createHash('sha256')
    .update(
      JSON.stringify([
        shape,
        options.region,
        options.channel,
        options['gke-version'],
        options['machine-type'],
      ]),
    )
    .digest('hex')
    .slice(0, 8)}`;

/** What Google decides and nobody can choose. */
function refusal(
  { proxy, tcpLoose, kubernetes, balancer, keepalive }: Axes,
  options: GkeOptions,
): string | undefined {
  const version = kubernetesVersion(options['gke-version'] ?? '');
  if (version !== undefined && version !== kubernetes)
    return `--gke-version ${options['gke-version']} is Kubernetes ${version}, not ${kubernetes}`;
  if (proxy !== 'iptables' && dataplane(proxy).mode !== 'cilium')
    return `GKE runs kube-proxy with iptables (Dataplane V1) or Cilium (V2), not ${proxy}`;
  const request = googleRequest(balancer, options['gke-version'] ?? kubernetes);
  if ('refused' in request) return request.refused;
  if (tcpLoose === '0') return "nf_conntrack_tcp_loose of GKE's nodes is not touched";
  if (keepalive !== undefined && options['clients-from'] === 'vm')
    return "the client VM's SOCKS proxy ends the clients' own TCP, and its keep-alive with it; choose --clients-from here";
  return undefined;
}
