import { createHash } from 'node:crypto';
import type { V1Service } from '@kubernetes/client-node';
import type { Axes } from '../../harness/axes.ts';
import type { Cluster, ClusterSpec, Provider, RunContext } from '../../harness/cluster.ts';
import { owner } from '../kubernetes/lease.ts';
import { nameFor } from '../kubernetes/names.ts';
import { wallTime } from '../kubernetes/wall-time.ts';
import { watchBackendHealth } from './backend-health.ts';
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
    refuses: refusal,
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
        await checkQuota(shape, options);
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
    sweep: () => sweepGke(options),
  };
}

/** One cell on a running GKE cluster. */
async function openCell(
  gke: GkeCluster,
  spec: ClusterSpec,
  context: RunContext,
  options: GkeOptions,
): Promise<Cluster> {
  const { KubeConfig } = await import('../kubernetes/kube-config.ts');
  const { KubernetesCluster } = await import('../kubernetes/kubernetes-cluster.ts');
  const config = new KubeConfig();
  config.loadFromString(gke.kubeconfig);
  const name = nameFor('gke-cell', spec.name);
  gke.namespaces.add(name);
  const cluster = await KubernetesCluster.open({
    spec,
    context,
    config,
    name,
    image: gke.image,
    entrance: 'load-balancer',
    retain: options.retain === 'true',
    ...(gke.vm === undefined ? {} : { proxy: gke.vm.proxy }),
    balancedService: (service) => withBalancer(service, spec.axes),
    facts: {
      project: gke.project,
      region: options.region,
      'GKE zones': gke.shape.zones.join(', '),
      'machine type': options['machine-type'],
      'release channel': options.channel,
      balancer: `Google's own, ${spec.axes.balancer}`,
      clients:
        gke.vm === undefined
          ? 'from here'
          : 'from a machine beside the cluster, through ssh, which shows a reset as FIN',
    },
  });
  cluster.watching.use(
    watchBackendHealth({
      clock: cluster.clock,
      options,
      services: () => cluster.observer.all('Service'),
      gcloud: gke.gcloud,
      record: context.record.bind(context),
    }),
  );
  return cluster;
}

/** Without the annotation GKE makes a target pool (FACTS A1). */
export function withBalancer(service: V1Service, { balancer }: Axes): V1Service {
  if (balancer === 'target-pool') return service;
  const annotations = { ...service.metadata?.annotations, 'cloud.google.com/l4-rbs': 'enabled' };
  return { ...service, metadata: { ...service.metadata, annotations } };
}

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
function refusal({ proxy, balancerStickiness, tcpLoose }: Axes): string | undefined {
  if (proxy !== 'iptables' && !proxy.startsWith('cilium'))
    return `GKE runs kube-proxy with iptables (Dataplane V1) or Cilium (V2), not ${proxy}`;
  if (balancerStickiness === 'persist')
    return "whether Google's target pool moves a tracked flow is Google's choice: it is what is measured";
  if (tcpLoose === '0') return "nf_conntrack_tcp_loose of GKE's nodes is not touched";
  return undefined;
}
