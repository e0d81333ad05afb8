import type { V1Pod, V1PodCondition } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { isDeleting, timeOf } from './objects.ts';

export const podCondition = (pod: V1Pod, type: string): V1PodCondition | undefined =>
  pod.status?.conditions?.find((condition) => condition.type === type);

export const isPodReady = (pod: V1Pod) => podCondition(pod, 'Ready')?.status === 'True';

/** When the pod became ready; undefined while it is not. */
export const readySince = (pod: V1Pod): Millis | undefined => {
  const condition = podCondition(pod, 'Ready');
  return condition?.status === 'True' ? timeOf(condition.lastTransitionTime) : undefined;
};

export const isPodFinished = (pod: V1Pod) =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

/** Counts for its ReplicaSet: neither finished nor being deleted (k8s pkg/controller/controller_utils.go IsPodActive). */
export const isPodActive = (pod: V1Pod) => !isPodFinished(pod) && !isDeleting(pod);

/** Ready for at least `minReady` (k8s pkg/api/v1/pod/util.go IsPodAvailable). */
export const isPodAvailable = (pod: V1Pod, minReady: Millis, now: Millis) => {
  const since = readySince(pod);
  return since !== undefined && (minReady === 0 || since + minReady <= now);
};

/** Restarts of all containers together. */
export const restartsOf = (pod: V1Pod) =>
  (pod.status?.containerStatuses ?? []).reduce((sum, container) => sum + container.restartCount, 0);
