import type { V1Service } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';
import { HarnessError } from '../../../harness/errors.ts';
import { BALANCERS, type BalancerName, balancersSeen } from '../../../harness/platforms/balancers.ts';
import type { KubernetesCluster } from '../kubernetes-cluster.ts';

/** How a Service asks GKE for a balancer, or why a control plane of this version does not make it. */
type Request =
  | { readonly annotations?: Readonly<Record<string, string>>; readonly loadBalancerClass?: string }
  | { readonly refused: string };

const BACKEND_SERVICE = { annotations: { 'cloud.google.com/l4-rbs': 'enabled' } };
const LEGACY = { loadBalancerClass: 'networking.gke.io/l4-regional-external-legacy' };
/** The releases between which each kind is made (Google Cloud, service load balancers; ingress-gce l4netlbcontroller.go). */
const SINCE = { backendService: [25, 5], groups: [32, 2, 1_652_000], newDefault: [37] } as const;

/** `1.32.2-gke.1652000` as numbers after the 1; parts that nobody told are the latest. */
const partsOf = (version: string): number[] => {
  const [, minor, patch, build] = /^v?1\.(\d+)(?:\.(\d+))?(?:-gke\.(\d+))?/.exec(version) ?? [];
  return [minor, patch, build].map((part) => Number(part ?? Number.POSITIVE_INFINITY));
};

const isSince = (version: string, since: readonly number[]): boolean => {
  const parts = partsOf(version);
  const differs = since.findIndex((part, index) => parts[index] !== part);
  return differs === -1 || (parts[differs] ?? 0) > (since[differs] ?? 0);
};

/** What a Service must say to get this balancer from GKE's control plane of this version, `1.34` or in full. */
export function googleRequest(balancer: Axes['balancer'], version: string): Request {
  const hasBackendServices = isSince(version, SINCE.backendService);
  const hasGroups = isSince(version, SINCE.groups);
  switch (balancer) {
    case 'target-pool':
      return isSince(version, SINCE.newDefault) ? LEGACY : {};
    case 'backend-service':
      if (hasGroups)
        return {
          refused: `GKE ${version} puts network endpoint groups behind a new backend service; ask for backend-service-neg, or for a version before 1.32.2-gke.1652000`,
        };
      return hasBackendServices
        ? BACKEND_SERVICE
        : { refused: `GKE makes backend services since 1.25.5, not ${version}; ask for target-pool` };
    case 'backend-service-neg':
      return hasGroups
        ? BACKEND_SERVICE
        : {
            refused: `GKE makes network endpoint groups for Services since 1.32.2-gke.1652000, not ${version}`,
          };
    default:
      return {
        refused: `GKE makes target-pool, backend-service and backend-service-neg, and what these do is what is measured; ${balancer} is not its own`,
      };
  }
}

/** A Service that gets the balancer of the axis on GKE. */
export function withBalancer(service: V1Service, { balancer }: Axes, version: string): V1Service {
  const request = googleRequest(balancer, version);
  if ('refused' in request) return service;
  const { annotations, loadBalancerClass } = request;
  return {
    ...service,
    metadata: {
      ...service.metadata,
      ...(annotations && { annotations: { ...service.metadata?.annotations, ...annotations } }),
    },
    spec: { ...service.spec, ...(loadBalancerClass && { loadBalancerClass }) },
  };
}

/** Which of Google's balancers a Service was given; undefined as long as it has no address. */
function googleBalancerOf({ metadata, spec, status }: V1Service): BalancerName | undefined {
  if ((status?.loadBalancer?.ingress ?? []).length === 0) return undefined;
  const [name] = balancersSeen({
    provider: 'gce',
    agents: [],
    annotations: metadata?.annotations ?? {},
    finalizers: metadata?.finalizers ?? [],
    loadBalancerClass: spec?.loadBalancerClass,
  });
  return name;
}

/** Why a cell breaks whose Service was given another balancer than the one that it asked for. */
export function notAsked(service: V1Service, { balancer }: Axes): string | undefined {
  const given = googleBalancerOf(service);
  if (given === undefined || given === balancer) return undefined;
  const finalizers = service.metadata?.finalizers ?? [];
  return `Service ${service.metadata?.name} asked for ${balancer} and was given ${BALANCERS[given].title} (finalizers ${finalizers.join(', ') || 'none'}); ask for --balancer ${given}, or for another --gke-version`;
}

/** Breaks the cell as soon as a Service was given another of Google's balancers than the one that it asked for. */
export function heedBalancer(cluster: Pick<KubernetesCluster, 'observer' | 'fail'>, axes: Axes): void {
  cluster.observer.on('Service', {
    changed(service) {
      const why = notAsked(service, axes);
      if (why !== undefined) cluster.fail(new HarnessError(why));
    },
  });
}
