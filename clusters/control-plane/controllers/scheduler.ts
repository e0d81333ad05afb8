import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { controllerOf, hasLabels, isDeleting, labelsOf, nameOf } from '../store/objects.ts';
import { isPodFinished } from '../store/pods.ts';

const ZONE = 'topology.kubernetes.io/zone';

export const zoneOfNode = (node: V1Node) => labelsOf(node)[ZONE];

export const isNodeReady = (node: V1Node) =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** The cluster autoscaler is about to take the node away. */
export const isNodeLeaving = (node: V1Node) =>
  node.spec?.taints?.some(({ key }) => key === 'ToBeDeletedByClusterAutoscaler') ?? false;

/** Its label keeps load balancers from it (service-controller, nodeIncludedPredicate). */
export const isNodeExcluded = (node: V1Node) =>
  'node.kubernetes.io/exclude-from-external-load-balancers' in labelsOf(node);

/** No pod here tolerates anything. */
const isRepelling = (node: V1Node) =>
  node.spec?.unschedulable === true ||
  (node.spec?.taints ?? []).some(({ effect }) => effect !== 'PreferNoSchedule');

/**
 * The node for a pod, or undefined when none takes it. Feasible are ready, schedulable nodes without taints and with room that the
 * nodeSelector finds; of them the one with the fewest pods of the same controller, then in the zone with the
 * fewest, then with the fewest pods at all, then the first by name. That is what the default scheduler's spreading
 * and LeastAllocated scores come to for pods of one size (k8s pkg/scheduler/framework/plugins/podtopologyspread,
 * noderesources), without its dice.
 */
export function schedule(pod: V1Pod, nodes: readonly V1Node[], pods: readonly V1Pod[]): string | undefined {
  const running = pods.filter((other) => other.spec?.nodeName !== undefined && !isPodFinished(other));
  const owner = controllerOf(pod)?.uid;
  const zones = new Map(nodes.map((node) => [nameOf(node), zoneOfNode(node)]));
  const siblings = running.filter(
    (other) => owner !== undefined && controllerOf(other)?.uid === owner && !isDeleting(other),
  );
  const feasible = nodes.filter(
    (node) =>
      isNodeReady(node) &&
      !isDeleting(node) &&
      !isRepelling(node) &&
      hasLabels(labelsOf(node), pod.spec?.nodeSelector ?? {}) &&
      count(running, (other) => other.spec?.nodeName === nameOf(node)) <
        Number(node.status?.allocatable?.pods ?? 110),
  );
  const scores = feasible.map((node) => ({
    name: nameOf(node),
    onNode: count(siblings, (other) => other.spec?.nodeName === nameOf(node)),
    inZone: count(siblings, (other) => zones.get(other.spec?.nodeName ?? '') === zoneOfNode(node)),
    atAll: count(running, (other) => other.spec?.nodeName === nameOf(node)),
  }));
  scores.sort(
    (left, right) =>
      left.onNode - right.onNode ||
      left.inZone - right.inZone ||
      left.atAll - right.atAll ||
      left.name.localeCompare(right.name, 'en', { numeric: true }),
  );
  return scores[0]?.name;
}

const count = <T>(items: readonly T[], holds: (item: T) => boolean) =>
  items.reduce((sum, item) => sum + (holds(item) ? 1 : 0), 0);
