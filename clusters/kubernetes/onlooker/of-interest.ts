import type {
  CoreV1Event,
  KubernetesObject,
  V1Deployment,
  V1EndpointSlice,
  V1Pod,
  V1Service,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { Labels } from '../../../harness/contracts/kube.ts';

/**
 * What of a namespace belongs to a Service: pods that share a label with a selector that it has or ever had (both sides of
 * a blue-green switch do), what makes them, scales them and lists them as endpoints.
 */
export class OfInterest {
  readonly service: string;
  private readonly labels = new Set<string>();

  constructor(service: V1Service) {
    this.service = service.metadata?.name ?? '';
    this.learn(service);
  }

  /** The Service may have a new selector. */
  learn({ metadata, spec }: V1Service): void {
    if (metadata?.name !== this.service) return;
    for (const [name, value] of Object.entries(spec?.selector ?? {})) this.labels.add(`${name}=${value}`);
  }

  concerns(object: KubernetesObject): boolean {
    switch (object.kind) {
      case 'Node':
        return true;
      case 'Service':
        return object.metadata?.name === this.service;
      case 'EndpointSlice':
        return (object as V1EndpointSlice).metadata?.labels?.['kubernetes.io/service-name'] === this.service;
      case 'Pod':
        return this.shares((object as V1Pod).metadata?.labels);
      case 'Deployment':
      case 'StatefulSet':
      case 'ReplicaSet':
      case 'Rollout':
        return this.shares(
          (object as V1Deployment).spec?.template?.metadata?.labels ?? object.metadata?.labels,
        );
      default:
        return false;
    }
  }

  /** Whether an autoscaler scales one of these workloads, by name. */
  scales({ spec }: V2HorizontalPodAutoscaler, workloads: ReadonlySet<string>): boolean {
    return workloads.has(`${spec?.scaleTargetRef.kind} ${spec?.scaleTargetRef.name}`);
  }

  /** Whether an event is about one of these objects, by name. */
  tells({ involvedObject }: CoreV1Event, names: ReadonlySet<string>): boolean {
    return names.has(`${involvedObject.kind} ${involvedObject.name}`);
  }

  private shares(labels: Labels | undefined): boolean {
    return Object.entries(labels ?? {}).some(([name, value]) => this.labels.has(`${name}=${value}`));
  }
}

/** Labels by which a chart says its version, the first that is there. */
const VERSION_LABELS = ['version', 'app.kubernetes.io/version'];

/** What a pod's version is called: by its label, else by its image's tag or digest, else by its template's hash. */
export function versionOf({ metadata, spec }: V1Pod): string {
  for (const label of VERSION_LABELS) {
    const value = metadata?.labels?.[label];
    if (value !== undefined && value !== '') return value;
  }
  const image = spec?.containers[0]?.image ?? '';
  const [, digest] = /@sha256:([0-9a-f]{12})/.exec(image) ?? [];
  const [, tag] = /:([\w][\w.-]*)$/.exec(image.replace(/@.*$/, '')) ?? [];
  return (
    tag ??
    digest ??
    metadata?.labels?.['pod-template-hash'] ??
    metadata?.labels?.['controller-revision-hash'] ??
    ''
  );
}
