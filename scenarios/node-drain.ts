import type { V1Pod } from '@kubernetes/client-node';
import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { NODE_REMOVALS, type NodeRemoval } from '../harness/platforms/node-removals.ts';
import type { Millis } from '../harness/time/duration.ts';
import { carrier, isOn, nameOf, ready, replaced } from './carriers.ts';
import { selecting, serveV1 } from './two-deployments.ts';

const POLL: Millis = 1000;
/** How long whoever would wait for ever is watched while a budget forbids an eviction. */
const WATCHED: Millis = 1_800_000;
/** What is asked of the API for a pod that is forced out: its kubelet then kills it as soon as it ever does. */
const LEAST: Millis = 1000;
const FAULT = { fault: true } as const;

/**
 * Not a release: a node that carries pods is taken away, by a person with kubectl or by what does so by itself (`--by`).
 * The node is marked, its pods are evicted as far as their PodDisruptionBudget (`--budget`) allows, with as much grace
 * as whoever drains grants, and come up elsewhere; then its machine goes with whatever is still on it. Clients that only
 * came through the node lose it when the balancer lets go of it, or with the machine. Whoever loses patience leaves the
 * node or forces the pods; who would wait for ever is watched for half an hour, and leaves it then. `rollback` takes the
 * marks off, and switches the machine on again.
 */
export const nodeDrain: Strategy = {
  name: 'node-drain',
  kind: 'experiment',
  question: 'What does a drain of a node that carries pods cost, by whoever does it?',
  needs: ['node-power'],
  requires: () => [],
  heeds: ['by', 'budget'],
  async prepare(stage) {
    await serveV1(stage);
    const { budget } = stage.axes;
    if (budget !== 'none')
      await stage.kube.apply({
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'gateway' },
        spec: {
          maxUnavailable: budget.endsWith('%') ? budget : Number(budget),
          selector: { matchLabels: selecting('v1') },
        },
      });
  },
  async release(stage) {
    const { by, heartbeat } = stage.axes;
    const removal: NodeRemoval = NODE_REMOVALS[by];
    const node = await carrier(stage);
    const wanted = await ready(stage);
    const begins = `${node} is marked by ${by}`;
    await stage.step(
      begins,
      async () => {
        await mark(stage, node, removal);
        await stage.sleep(removal.evictsAfter);
      },
      FAULT,
    );
    const goes = await stage.step(`${by} drains ${node}`, () => drain(stage, node, removal), FAULT);
    if (goes)
      await stage.step(
        `the machine of ${node} is deleted`,
        async () => {
          await stage.power.off(node);
          await stage.kube.delete('Node', node);
          await stage.sleep(60_000 + 2 * heartbeat);
        },
        FAULT,
      );
    else
      await stage.step(
        `${by} gives up, and ${node} stays`,
        async () => {
          await unmark(stage);
          await ended(stage, node);
        },
        FAULT,
      );
    await replaced(stage, wanted);
  },
  async rollback(stage) {
    await stage.step('marks are taken off, and the machine is there again', async () => {
      await stage.power.on();
      await unmark(stage);
    });
    await stage.rolledOut('gateway-v1');
  },
};

/** Writes what this actor writes on the node before it drains it. */
async function mark(stage: Stage, name: string, { marks }: NodeRemoval): Promise<void> {
  const { taints = [], labels = {}, ...cordon } = marks;
  const node = await stage.kube.get('Node', name);
  await stage.kube.patch('Node', name, {
    metadata: { labels },
    spec: { ...cordon, ...(taints.length > 0 ? { taints: [...(node?.spec?.taints ?? []), ...taints] } : {}) },
  });
}

/** Takes off whatever this strategy may have written on any node. */
async function unmark(stage: Stage): Promise<void> {
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
const ended = (stage: Stage, node: string) =>
  stage.until(
    `pods of ${node} that were told to go are gone`,
    async () => !(await stage.kube.list('Pod', { app: 'gateway' })).filter(isOn(node)).some(isGoing),
    stage.axes.grace + 600_000,
  );

/** Evicts a node's pods as this actor does; whether its machine is to go. */
async function drain(stage: Stage, node: string, removal: NodeRemoval): Promise<boolean> {
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
