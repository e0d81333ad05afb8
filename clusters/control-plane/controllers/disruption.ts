import type { V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { isDeleting, labelsOf, nameOf, selects, timeOf } from '../store/objects.ts';
import { isPodReady } from '../store/pods.ts';
import { scaledValue } from './fenceposts.ts';

type Status = NonNullable<V1PodDisruptionBudget['status']>;

/** An evicted pod that has not been deleted after this long is believed to stay (disruption.go DeletionTimeout). */
const DELETION_TIMEOUT: Millis = 120_000;

/**
 * One sync of the disruption controller for one budget: how many of its pods may be evicted now. `replicas` is what the
 * pods' controllers want together (k8s pkg/controller/disruption/disruption.go).
 */
export function budgetStatus(
  budget: V1PodDisruptionBudget,
  pods: readonly V1Pod[],
  replicas: number,
  now: Millis,
): Status {
  const { selector, minAvailable, maxUnavailable } = budget.spec ?? {};
  const own = pods.filter((pod) => selects(selector, labelsOf(pod)));
  const disruptedPods = Object.fromEntries(
    Object.entries(budget.status?.disruptedPods ?? {}).filter(([name, since]) =>
      own.some((pod) => nameOf(pod) === name && !isDeleting(pod) && timeOf(since) + DELETION_TIMEOUT > now),
    ),
  );
  const currentHealthy = own.filter(
    (pod) => isPodReady(pod) && !isDeleting(pod) && disruptedPods[nameOf(pod)] === undefined,
  ).length;
  const expectedPods = typeof minAvailable === 'number' ? own.length : replicas;
  const desiredHealthy =
    maxUnavailable === undefined
      ? scaledValue(minAvailable, expectedPods, true)
      : Math.max(0, expectedPods - scaledValue(maxUnavailable, expectedPods, true));
  const disruptionsAllowed = expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  return {
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    currentHealthy,
    desiredHealthy,
    expectedPods,
    disruptionsAllowed,
    observedGeneration: budget.metadata?.generation ?? 1,
  };
}
