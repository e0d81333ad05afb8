import type { Cluster, ClusterSpec, RunContext } from '../../harness/contracts/cluster.ts';
import { BALANCERS } from '../../harness/platforms/balancers.ts';
import { heedBalancer, withBalancer } from '../kubernetes/front/google-balancer.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import { watchBackendHealth } from './backend-health.ts';
import type { GkeCluster } from './gke-cluster.ts';
import type { GkeOptions } from './gke-options.ts';

/** One cell on a running GKE cluster. */
export async function openCell(
  gke: GkeCluster,
  spec: ClusterSpec,
  context: RunContext,
  options: GkeOptions,
): Promise<Cluster> {
  const { KubeConfig } = await import('../kubernetes/api/kube-config.ts');
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
    balancedService: (service) =>
      withBalancer(service, spec.axes, options['gke-version'] ?? spec.axes.kubernetes),
    facts: {
      project: gke.project,
      region: options.region,
      'GKE zones': gke.shape.zones.join(', '),
      'machine type': options['machine-type'],
      'release channel': options.channel,
      balancer: `${BALANCERS[spec.axes.balancer].title}, Google's own, with its own health checks`,
      clients:
        gke.vm === undefined
          ? 'from here'
          : 'from a machine beside the cluster, through ssh, which shows a reset as FIN',
    },
  });
  heedBalancer(cluster, spec.axes);
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
