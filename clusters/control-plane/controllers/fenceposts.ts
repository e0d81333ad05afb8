import type { IntOrString, V1Deployment } from '@kubernetes/client-node';

/** A count, or a percentage of `total` rounded up or down (k8s apimachinery pkg/util/intstr). */
export function scaledValue(value: IntOrString | undefined, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value;
  const text = value ?? '0';
  if (!text.endsWith('%')) return Number(text);
  const exact = (Number.parseInt(text, 10) * total) / 100;
  return roundUp ? Math.ceil(exact) : Math.floor(exact);
}

/**
 * maxSurge rounded up and maxUnavailable rounded down; where both come to 0, one pod may be unavailable, because
 * otherwise nothing could move (k8s pkg/controller/deployment/util/deployment_util.go ResolveFenceposts).
 */
export function resolveFenceposts(
  maxSurge: IntOrString | undefined,
  maxUnavailable: IntOrString | undefined,
  desired: number,
): { surge: number; unavailable: number } {
  const surge = scaledValue(maxSurge, desired, true);
  const unavailable = scaledValue(maxUnavailable, desired, false);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export const replicasOf = (object: { spec?: { replicas?: number } }) => object.spec?.replicas ?? 0;

export const isRollingUpdate = ({ spec }: V1Deployment) => spec?.strategy?.type !== 'Recreate';

function fenceposts(deployment: V1Deployment) {
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  return resolveFenceposts(rolling?.maxSurge, rolling?.maxUnavailable, replicasOf(deployment));
}

/** Pods that a rolling update may run beyond the wanted ones; 0 for Recreate. */
export const maxSurge = (deployment: V1Deployment) =>
  isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;

/** Pods that a rolling update may miss; 0 for Recreate and for a Deployment of none. */
export const maxUnavailable = (deployment: V1Deployment) =>
  isRollingUpdate(deployment) && replicasOf(deployment) > 0
    ? Math.min(fenceposts(deployment).unavailable, replicasOf(deployment))
    : 0;
