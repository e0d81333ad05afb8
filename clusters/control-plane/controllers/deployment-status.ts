import type {
  V1Deployment,
  V1DeploymentCondition,
  V1DeploymentStatus,
  V1ReplicaSet,
} from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { timeOf, timestamp } from '../store/objects.ts';
import { maxUnavailable, replicasOf } from './fenceposts.ts';

/** Reasons of the Progressing condition (k8s pkg/controller/deployment/util/deployment_util.go). */
export const PROGRESS = {
  created: 'NewReplicaSetCreated',
  found: 'FoundNewReplicaSet',
  updated: 'ReplicaSetUpdated',
  available: 'NewReplicaSetAvailable',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
} as const;

/** The API's value for "no deadline" (math.MaxInt32). */
const NO_DEADLINE = 2 ** 31 - 1;

export const hasProgressDeadline = ({ spec }: V1Deployment) =>
  spec?.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== NO_DEADLINE;

export const deploymentCondition = (status: V1DeploymentStatus | undefined, type: string) =>
  status?.conditions?.find((condition) => condition.type === type);

export const condition = (
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
  now: Millis,
): V1DeploymentCondition => ({
  type,
  status,
  reason,
  message,
  lastUpdateTime: timestamp(now),
  lastTransitionTime: timestamp(now),
});

/** SetDeploymentCondition: nothing new for the same status and reason; the transition time moves with the status only. */
export function withCondition(
  conditions: readonly V1DeploymentCondition[],
  added: V1DeploymentCondition,
): V1DeploymentCondition[] {
  const current = conditions.find(({ type }) => type === added.type);
  if (current?.status === added.status && current.reason === added.reason) return [...conditions];
  const kept = conditions.filter(({ type }) => type !== added.type);
  const sameStatus = current?.status === added.status && current?.lastTransitionTime !== undefined;
  return [...kept, sameStatus ? { ...added, lastTransitionTime: current.lastTransitionTime as Date } : added];
}

const sum = (sets: readonly V1ReplicaSet[], count: (set: V1ReplicaSet) => number | undefined) =>
  sets.reduce((total, set) => total + (count(set) ?? 0), 0);

export const statusReplicas = (sets: readonly V1ReplicaSet[]) => sum(sets, ({ status }) => status?.replicas);
export const availableReplicas = (sets: readonly V1ReplicaSet[]) =>
  sum(sets, ({ status }) => status?.availableReplicas);

/** k8s pkg/controller/deployment/sync.go calculateStatus. */
export function calculateStatus(
  all: readonly V1ReplicaSet[],
  newSet: V1ReplicaSet | undefined,
  deployment: V1Deployment,
  now: Millis,
): V1DeploymentStatus {
  const available = availableReplicas(all);
  const total = statusReplicas(all);
  const minimum = replicasOf(deployment) - maxUnavailable(deployment);
  const availability =
    available >= minimum
      ? condition(
          'Available',
          'True',
          'MinimumReplicasAvailable',
          'Deployment has minimum availability.',
          now,
        )
      : condition(
          'Available',
          'False',
          'MinimumReplicasUnavailable',
          'Deployment does not have minimum availability.',
          now,
        );
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: total,
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(all, ({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicasOf(deployment) - available),
    conditions: withCondition(deployment.status?.conditions ?? [], availability),
  };
}

/** All replicas are updated and available and no old pod runs (deployment_util.go DeploymentComplete). */
export const isComplete = (deployment: V1Deployment, status: V1DeploymentStatus | undefined) =>
  status?.updatedReplicas === replicasOf(deployment) &&
  status.replicas === replicasOf(deployment) &&
  status.availableReplicas === replicasOf(deployment) &&
  (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0);

function isProgressing(before: V1DeploymentStatus, after: V1DeploymentStatus): boolean {
  const old = (status: V1DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: V1Deployment, status: V1DeploymentStatus, now: Millis): boolean {
  const progressing = deploymentCondition(status, 'Progressing');
  if (progressing === undefined || progressing.reason === PROGRESS.available) return false;
  if (progressing.reason === PROGRESS.timedOut) return true;
  return timeOf(progressing.lastUpdateTime) + deadline(deployment) < now;
}

const deadline = ({ spec }: V1Deployment): Millis => (spec?.progressDeadlineSeconds ?? 0) * 1000;

/**
 * The status after a sync of a rollout, with its Progressing condition, and when to look again for a deadline that
 * may pass without anything else happening (k8s pkg/controller/deployment/progress.go syncRolloutStatus).
 */
export function rolloutStatus(
  all: readonly V1ReplicaSet[],
  newSet: V1ReplicaSet | undefined,
  deployment: V1Deployment,
  now: Millis,
): { status: V1DeploymentStatus; requeueAfter?: Millis } {
  const status = calculateStatus(all, newSet, deployment, now);
  if (!hasProgressDeadline(deployment)) {
    const conditions = (status.conditions ?? []).filter(({ type }) => type !== 'Progressing');
    return { status: { ...status, conditions } };
  }
  const current = deploymentCondition(deployment.status, 'Progressing');
  const wasComplete = status.replicas === status.updatedReplicas && current?.reason === PROGRESS.available;
  if (wasComplete) return { status };
  const what = newSet ? `ReplicaSet "${newSet.metadata?.name}"` : `Deployment "${deployment.metadata?.name}"`;
  let conditions = status.conditions ?? [];
  if (isComplete(deployment, status))
    conditions = withCondition(
      conditions,
      condition('Progressing', 'True', PROGRESS.available, `${what} has successfully progressed.`, now),
    );
  else if (isProgressing(deployment.status ?? {}, status)) {
    const progress = condition('Progressing', 'True', PROGRESS.updated, `${what} is progressing.`, now);
    if (current?.status === 'True' && current.lastTransitionTime)
      progress.lastTransitionTime = current.lastTransitionTime;
    // Replaced even when nothing but the time is new: the deadline counts from the last progress.
    conditions = [...conditions.filter(({ type }) => type !== 'Progressing'), progress];
  } else if (isTimedOut(deployment, status, now))
    conditions = withCondition(
      conditions,
      condition('Progressing', 'False', PROGRESS.timedOut, `${what} has timed out progressing.`, now),
    );
  const latest = conditions.find(({ type }) => type === 'Progressing');
  const stuck =
    latest !== undefined &&
    latest.reason !== PROGRESS.timedOut &&
    latest.reason !== PROGRESS.available &&
    !isComplete(deployment, status);
  return {
    status: { ...status, conditions },
    ...(stuck
      ? { requeueAfter: Math.max(0, timeOf(latest.lastUpdateTime) + deadline(deployment) - now) + 1000 }
      : {}),
  };
}
