import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { serveV1 } from './two-deployments.ts';

const TAINT = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' } as const;

/**
 * Not a release: the node set changes under it, as the cluster autoscaler (`--churn one`) or a node upgrade
 * (`--churn upgrade`: every node that carries none of the pods, one after the other) does. A node is cordoned
 * and tainted, deleted after `--node-removal-after`, and a fresh one is added. What becomes of its flows is the
 * balancer's choice: hashed to other nodes, which know nothing of them, they are picked up in mid-stream, a pod and a
 * source port are chosen anew, and the pod answers with a reset; kept, they fall silent with the node. With
 * StableLoadBalancerNodeSet (KEP-3458) a node of a target pool stays a backend until it is gone, without it leaves
 * the pool at the cordon (`--kubernetes 1.22`). `rollback` lifts the cordons and adds a node for one that is away.
 */
export const nodeChurn: Strategy = {
  name: 'node-churn',
  kind: 'experiment',
  question: 'How many connections does a change of the node set drop although no pod is touched?',
  needs: ['node-churn'],
  requires: () => [],
  heeds: ['churn', 'nodeRemovalAfter'],
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    const carrying = new Set((await stage.pods('v1')).map(({ spec }) => spec?.nodeName));
    const nodes = (await stage.kube.list('Node')).map(({ metadata }) => metadata?.name ?? '');
    const idle = nodes.filter((name) => !carrying.has(name));
    let number = nodes.length;
    for (const leaving of stage.axes.churn === 'upgrade' ? idle : idle.slice(-1))
      await replace(stage, leaving, ++number);
  },
  async rollback(stage) {
    await stage.step('cordons are lifted', async () => {
      for (const { metadata, spec } of await stage.kube.list('Node'))
        if (spec?.unschedulable)
          await stage.kube.patch('Node', metadata?.name ?? '', {
            spec: { unschedulable: null, taints: null },
          });
    });
    const numbers = (await stage.kube.list('Node')).map(({ metadata }) => numberOf(metadata?.name));
    // Those that came in stay, so that of all numbers ever given the greatest is among these, or of the first nodes.
    const greatest = Math.max(stage.axes.nodes, ...numbers);
    for (let more = 1; more <= stage.axes.nodes - numbers.length; more++) await add(stage, greatest + more);
  },
};

const numberOf = (name = '') => Number(name.replace(/^node-/, ''));

async function replace(stage: Stage, leaving: string, number: number): Promise<void> {
  const fault = { fault: true };
  await stage.step(
    `${leaving} is cordoned`,
    async () => {
      await stage.kube.patch('Node', leaving, { spec: { unschedulable: true, taints: [TAINT] } });
      await stage.sleep(stage.axes.nodeRemovalAfter);
    },
    fault,
  );
  await stage.step(
    `${leaving} is deleted`,
    async () => {
      await stage.kube.delete('Node', leaving);
      await stage.sleep(60_000 + 2 * stage.axes.heartbeat);
    },
    fault,
  );
  await add(stage, number);
}

const add = (stage: Stage, number: number): Promise<void> =>
  stage.step(
    `node-${number} is added`,
    async () => {
      await stage.kube.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${number}` } });
      await stage.sleep(60_000 + 2 * stage.axes.heartbeat);
    },
    { fault: true },
  );
