import type { V1Pod, V1PodTemplateSpec, V1ReplicaSet, V1ReplicaSetStatus } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { annotationsOf, nameOf, ownedBy, uidOf } from '../store/objects.ts';
import {
  isPodActive,
  isPodAvailable,
  isPodReady,
  podCondition,
  readySince,
  restartsOf,
} from '../store/pods.ts';
import { replicasOf } from './fenceposts.ts';

/** Of its controller; pods of lower cost are deleted first. */
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';

/** What one sync of the ReplicaSet controller wants written. */
export interface ReplicaSetChanges {
  readonly created: readonly V1Pod[];
  /** Names of pods to delete gracefully, first victim first. */
  readonly deleted: readonly string[];
  readonly status: V1ReplicaSetStatus;
  /** When the next pod will have been ready for minReadySeconds. */
  readonly requeueAfter?: Millis;
}

/**
 * One sync of the ReplicaSet controller (k8s pkg/controller/replicaset/replica_set.go). `pods` are those it owns;
 * `related` are the active pods of all ReplicaSets with the same owner, itself included, which is what "more
 * co-located" is counted over.
 */
export function syncReplicaSet(
  replicaSet: V1ReplicaSet,
  pods: readonly V1Pod[],
  related: readonly V1Pod[],
  now: Millis,
): ReplicaSetChanges {
  const active = pods.filter(isPodActive);
  const surplus = active.length - replicasOf(replicaSet);
  const minReady = (replicaSet.spec?.minReadySeconds ?? 0) * 1000;
  const next = Math.min(
    ...active
      .map((pod) => readySince(pod))
      .map((since) => (since === undefined ? Number.POSITIVE_INFINITY : since + minReady - now))
      .filter((left) => left > 0),
  );
  return {
    created: Array.from({ length: Math.max(0, -surplus) }, () => podOf(replicaSet)),
    deleted: surplus > 0 ? victims(active, surplus, related, now).map(nameOf) : [],
    status: {
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: active.filter((pod) => isPodAvailable(pod, minReady, now)).length,
      observedGeneration: replicaSet.metadata?.generation ?? 0,
    },
    ...(Number.isFinite(next) ? { requeueAfter: next } : {}),
  };
}

function podOf(replicaSet: V1ReplicaSet): V1Pod {
  const template = replicaSet.spec?.template as V1PodTemplateSpec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...template.metadata,
      generateName: `${nameOf(replicaSet)}-`,
      ownerReferences: [ownedBy(replicaSet)],
    },
    ...(template.spec ? { spec: template.spec } : {}),
  };
}

/** The pods to delete when `count` of `active` must go, first victim first (getPodsToDelete). */
export function victims(
  active: readonly V1Pod[],
  count: number,
  related: readonly V1Pod[],
  now: Millis,
): V1Pod[] {
  if (count >= active.length) return [...active];
  const onNode = new Map<string | undefined, number>();
  for (const pod of related) {
    if (!isPodActive(pod)) continue;
    onNode.set(pod.spec?.nodeName, (onNode.get(pod.spec?.nodeName) ?? 0) + 1);
  }
  const rank = (pod: V1Pod) => onNode.get(pod.spec?.nodeName) ?? 0;
  return [...active].sort((left, right) => compareVictims(left, right, rank, now)).slice(0, count);
}

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Negative when `left` is deleted before `right`: unassigned, pending, not ready, of lower deletion cost, more
 * co-located, ready for less time, more often restarted, newer; times count by their order of magnitude
 * (k8s pkg/controller/controller_utils.go ActivePodsWithRanks, with LogarithmicScaleDown, default since 1.22).
 */
export function compareVictims(left: V1Pod, right: V1Pod, rank: (pod: V1Pod) => number, now: Millis): number {
  const assigned = (pod: V1Pod) => (pod.spec?.nodeName ? 1 : 0);
  const phase = (pod: V1Pod) => PHASES[pod.status?.phase ?? 'Pending'] ?? 0;
  const ready = (pod: V1Pod) => (isPodReady(pod) ? 1 : 0);
  const cost = (pod: V1Pod) => Number(annotationsOf(pod)[DELETION_COST] ?? 0);
  return (
    assigned(left) - assigned(right) ||
    phase(left) - phase(right) ||
    ready(left) - ready(right) ||
    cost(left) - cost(right) ||
    rank(right) - rank(left) ||
    (isPodReady(left) && isPodReady(right) ? byAge(left, right, readyTime, now) : 0) ||
    restartsOf(right) - restartsOf(left) ||
    byAge(left, right, creationTime, now) ||
    byUid(left, right)
  );
}

const readyTime = (pod: V1Pod) => podCondition(pod, 'Ready')?.lastTransitionTime;
const creationTime = (pod: V1Pod) => pod.metadata?.creationTimestamp;

/** The younger first, where the ages differ in magnitude; of one magnitude the uid decides, which is as good as chance. */
function byAge(left: V1Pod, right: V1Pod, time: (pod: V1Pod) => Date | undefined, now: Millis): number {
  const [a, b] = [time(left)?.getTime(), time(right)?.getTime()];
  if (a === b) return 0;
  // Who has no time goes first (afterOrZero).
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
  return magnitude(now - a) - magnitude(now - b) || byUid(left, right);
}

const byUid = (left: V1Pod, right: V1Pod) =>
  uidOf(left) < uidOf(right) ? -1 : uidOf(left) > uidOf(right) ? 1 : 0;

/** Upstream takes the whole part of log2 of the age in nanoseconds; -1 for an age of nothing. */
const magnitude = (age: Millis) => (age > 0 ? Math.floor(Math.log2(age * 1e6)) : -1);
