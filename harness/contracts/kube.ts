import type {
  CoreV1Event,
  KubernetesObject,
  V1Deployment,
  V1EndpointSlice,
  V1Ingress,
  V1Node,
  V1Pod,
  V1PodDisruptionBudget,
  V1ReplicaSet,
  V1Service,
  V1StatefulSet,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { Millis } from '../time/duration.ts';

/** The kinds whose type is known; any other kind (HTTPRoute, VirtualService, ...) is a plain KubernetesObject. */
interface Kinds {
  Deployment: V1Deployment;
  EndpointSlice: V1EndpointSlice;
  Event: CoreV1Event;
  HorizontalPodAutoscaler: V2HorizontalPodAutoscaler;
  Ingress: V1Ingress;
  Node: V1Node;
  Pod: V1Pod;
  PodDisruptionBudget: V1PodDisruptionBudget;
  ReplicaSet: V1ReplicaSet;
  Rollout: ArgoRollout;
  Service: V1Service;
  StatefulSet: V1StatefulSet;
}

/** Argo Rollouts' own kind (argoproj.io), as far as it is read here: a Deployment's spec with another strategy. */
export interface ArgoRollout extends KubernetesObject {
  readonly spec?: Omit<NonNullable<V1Deployment['spec']>, 'strategy'>;
  readonly status?: {
    readonly phase?: string;
    readonly message?: string;
    readonly observedGeneration?: string;
    readonly currentPodHash?: string;
    readonly readyReplicas?: number;
  };
}

export type Kind = keyof Kinds;
export type ObjectOf<K extends string> = K extends Kind ? Kinds[K] : KubernetesObject;

/** Labels that must all be present with these values, as a Service's selector. */
export type Labels = Readonly<Record<string, string>>;

/** A change in the shape of the object; null deletes a field, lists replace (JSON merge patch, RFC 7386). */
export type Patch<T> = T extends Date
  ? T
  : T extends readonly unknown[]
    ? T
    : T extends object
      ? { [Key in keyof T]?: Patch<T[Key]> | null }
      : T;

/**
 * The verbs a strategy acts with, on plain Kubernetes objects, in the run's own namespace.
 * What it does on `sim` is literally what it does on GKE. Its duty ends when the API has accepted the change;
 * whoever needs the effect waits for it.
 */
export interface Kube {
  /** Creates the object or updates it (server-side apply). @throws KubeError Invalid. */
  apply<T extends KubernetesObject>(object: T): Promise<T>;
  /** JSON merge patch. @throws KubeError NotFound, Conflict (when the patch names a stale resourceVersion), Invalid. */
  patch<K extends string>(kind: K, name: string, patch: Patch<ObjectOf<K>>): Promise<ObjectOf<K>>;
  /** Deletes; pods get `gracePeriod` (default: their own). Deleting what is not there succeeds. */
  delete(kind: string, name: string, options?: { gracePeriod?: Millis }): Promise<void>;
  /**
   * Asks for a pod to be evicted: where budgets allow, it is deleted with `gracePeriod` (default: its own). Evicting what
   * is not there succeeds. @throws KubeError TooManyRequests while a PodDisruptionBudget forbids it.
   */
  evict(pod: string, options?: { gracePeriod?: Millis }): Promise<void>;
  get<K extends string>(kind: K, name: string): Promise<ObjectOf<K> | undefined>;
  /** All of a kind whose labels match, ordered by name. */
  list<K extends string>(kind: K, labels?: Labels): Promise<ObjectOf<K>[]>;
}

/** The API version that objects of a kind are written with when nothing else is known. */
export const API_VERSIONS: Readonly<Record<string, string>> = {
  Deployment: 'apps/v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Event: 'v1',
  HorizontalPodAutoscaler: 'autoscaling/v2',
  Ingress: 'networking.k8s.io/v1',
  Node: 'v1',
  Pod: 'v1',
  PodDisruptionBudget: 'policy/v1',
  Eviction: 'policy/v1',
  ReplicaSet: 'apps/v1',
  Service: 'v1',
  StatefulSet: 'apps/v1',
  Rollout: 'argoproj.io/v1alpha1',
  HTTPRoute: 'gateway.networking.k8s.io/v1',
  Gateway: 'gateway.networking.k8s.io/v1',
  VirtualService: 'networking.istio.io/v1',
  DestinationRule: 'networking.istio.io/v1',
};
