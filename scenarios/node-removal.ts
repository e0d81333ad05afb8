import type { V1Pod } from '@kubernetes/client-node';
import type { Stage } from '../harness/contracts/scenario.ts';
import { NODE_REMOVALS, type NodeRemoval } from '../harness/platforms/node-removals.ts';
import type { Millis } from '../harness/time/duration.ts';
import { isOn, nameOf } from './carriers.ts';

const POLL: Millis = 1000;
/** How long whoever would wait for ever is watched while a budget forbids an eviction. */
const WATCHED: Millis = 1_800_000;
/** What is asked of the API for a pod that is forced out: its kubelet then kills it as soon as it ever does. */
const LEAST: Millis = 1000;

/** Writes what this actor writes on the node before it drains it. */
export async function mark(stage: Stage, name: string, { marks }: NodeRemoval): Promise<void> {
  const { taints = [], labels = {}, ...cordon } = marks;
  const node = await stage.kube.get('Node', name);
  await stage.kube.patch('Node', name, {
    metadata: { labels },
    spec: { ...cordon, ...(taints.length > 0 ? { taints: [...(node?.spec?.taints ?? []), ...taints] } : {}) },
  });
}

/** Takes off whatever this strategy may have written on any node. */
export async function unmark(stage: Stage): Promise<void> {
  const { marks }: NodeRemoval = NODE_REMOVALS[stage.axes.by];
  const { taints = [], labels = {} } = marks;
  for (const node of await stage.kube.list('Node')) {
    const marked =
      node.spec?.taints?.some(isOurs(taints)) ||
      (marks.unschedulable && node.spec?.unschedulable) ||
      Object.keys(labels).some((label) => label in (node.metadata?.labels ?? {}));
    if (!marked) continue;
    const kept = (node.spec?.taints ?? []).filter((taint) => !isOurs(taints)(taint));
    await stage.kube.patch('Node', nameOf(node), {
      metadata: { labels: Object.fromEntries(Object.keys(labels).map((label) => [label, null])) },
      spec: { unschedulable: null, taints: kept.length > 0 ? kept : null },
    });
  }
}

const isOurs =
  (taints: readonly { readonly key: string }[]) =>
  ({ key }: { readonly key: string }) =>
    taints.some((taint) => taint.key === key);

const isGoing = ({ metadata }: V1Pod) => metadata?.deletionTimestamp !== undefined;

/** Waits until the node's pods that were told to go are gone: each has its own grace period. */
export const ended = (stage: Stage, node: string) =>
  stage.until(
    `pods of ${node} that were told to go are gone`,
    async () => !(await stage.kube.list('Pod', { app: 'gateway' })).filter(isOn(node)).some(isGoing),
    stage.axes.grace + 600_000,
  );

/** Evicts a node's pods as this actor does; whether its machine is to go. */
export async function drain(stage: Stage, node: string, removal: NodeRemoval): Promise<boolean> {
  const { asks, cap, retry, limit, lingers } = removal;
  const { by } = stage.axes;
  const evict = (pod: V1Pod, most = cap) =>
    stage.evict(pod, { by, cap: most, forced: asks === 'nobody' || most !== cap });
  let wait = retry.first;
  let due = 0;
  for (let waited = 0; ; ) {
    const pods = (await stage.kube.list('Pod', { app: 'gateway' })).filter(isOn(node));
    if (pods.length === 0) break;
    const staying = pods.filter((pod) => !isGoing(pod));
    if (limit !== null && waited >= limit.after && (limit.of === 'departures' || staying.length > 0)) {
      if (limit.outcome !== 'pods-are-deleted') return limit.outcome === 'machine-goes';
      for (const pod of pods) await evict(pod, LEAST);
      await ended(stage, node);
      break;
    }
    if (limit === null && waited >= WATCHED && staying.length > 0) return false;
    if (waited >= due && staying.length > 0) {
      for (const pod of staying) await evict(pod);
      due = waited + wait;
      wait = Math.min(2 * wait, retry.most);
    }
    const pause = Math.min(POLL, due > waited ? due - waited : POLL);
    await stage.sleep(pause);
    waited += pause;
  }
  await stage.sleep(lingers);
  return true;
}
