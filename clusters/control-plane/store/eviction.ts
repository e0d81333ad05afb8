import { KubeError } from '../../../harness/errors.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { isDeleting, labelsOf, nameOf, selects, timestamp } from './objects.ts';
import { isPodFinished, isPodReady } from './pods.ts';
import type { Store } from './store.ts';

/**
 * The Eviction subresource (k8s pkg/registry/core/pod/storage/eviction.go): deletes the pod with `gracePeriod` seconds
 * (default: its own) where its budget allows one more disruption, and counts that one at once. A pod that runs
 * nowhere, has finished or is being deleted needs no budget; one that is not ready needs none while the others suffice.
 * @throws KubeError NotFound, TooManyRequests, InternalError where several budgets select the pod.
 */
export function evict(store: Store, name: string, now: Millis, gracePeriod?: number): void {
  const pod = store.get('Pod', name);
  if (pod === undefined) throw new KubeError('NotFound', `Pod "${name}" not found`);
  const budgets = store
    .list('PodDisruptionBudget')
    .filter(({ spec }) => selects(spec?.selector, labelsOf(pod)));
  const [budget] = budgets;
  if (budgets.length > 1)
    throw new KubeError(
      'InternalError',
      `Pod "${name}" cannot be evicted: more than one PodDisruptionBudget selects it, which the eviction subresource does not support`,
    );
  if (budget !== undefined && pod.status?.phase !== 'Pending' && !isPodFinished(pod) && !isDeleting(pod)) {
    const { disruptionsAllowed = 0, currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
    const isSpare = !isPodReady(pod) && desiredHealthy > 0 && currentHealthy >= desiredHealthy;
    const isObserved = (budget.status?.observedGeneration ?? 0) >= (budget.metadata?.generation ?? 1);
    if (!isSpare && (!isObserved || disruptionsAllowed < 1))
      throw new KubeError(
        'TooManyRequests',
        `Cannot evict pod as it would violate the pod's disruption budget: ${nameOf(budget)} needs ${desiredHealthy} healthy pods and has ${currentHealthy}`,
      );
    if (!isSpare)
      store.update('PodDisruptionBudget', nameOf(budget), (current) => ({
        ...current,
        status: {
          ...(current.status as NonNullable<typeof current.status>),
          disruptionsAllowed: disruptionsAllowed - 1,
          disruptedPods: { ...current.status?.disruptedPods, [name]: timestamp(now) },
        },
      }));
  }
  store.delete('Pod', name, now, gracePeriod);
}
