import type { Strategy } from '../harness/scenario.ts';
import { serveV1 } from './two-deployments.ts';

const TAINT = { key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' } as const;

/**
 * Not a release: the node set changes under it, as the cluster autoscaler or a node upgrade does. A node that
 * carries none of the pods is cordoned and tainted, then deleted, and a fresh one is added. Which flows the
 * balancer hashes again depends on what it does with a node on its way out: with StableLoadBalancerNodeSet
 * (KEP-3458) it stays a backend until it is gone, without it leaves the pool at the cordon. `rollback` lifts the
 * cordon.
 */
export const nodeChurn: Strategy = {
  name: 'node-churn',
  kind: 'experiment',
  question: 'How many connections does a change of the node set drop although no pod is touched?',
  needs: ['node-churn'],
  requires: () => [],
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    const carrying = new Set((await stage.pods('v1')).map(({ spec }) => spec?.nodeName));
    const nodes = await stage.kube.list('Node');
    const leaving = nodes.findLast(({ metadata }) => !carrying.has(metadata?.name))?.metadata?.name;
    if (leaving !== undefined) {
      await stage.step(
        'a node is cordoned',
        async () => {
          await stage.kube.patch('Node', leaving, { spec: { unschedulable: true, taints: [TAINT] } });
          await stage.sleep(60_000);
        },
        { fault: true },
      );
      await stage.step(
        'the node is deleted',
        async () => {
          await stage.kube.delete('Node', leaving);
          await stage.sleep(60_000 + 2 * stage.axes.heartbeat);
        },
        { fault: true },
      );
    }
    await stage.step(
      'a node is added',
      async () => {
        await stage.kube.apply({
          apiVersion: 'v1',
          kind: 'Node',
          metadata: { name: `node-${nodes.length + 1}` },
        });
        await stage.sleep(60_000 + 2 * stage.axes.heartbeat);
      },
      { fault: true },
    );
  },
  async rollback(stage) {
    await stage.step('cordons are lifted', async () => {
      for (const { metadata, spec } of await stage.kube.list('Node'))
        if (spec?.unschedulable)
          await stage.kube.patch('Node', metadata?.name ?? '', {
            spec: { unschedulable: null, taints: null },
          });
    });
  },
};
