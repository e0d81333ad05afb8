import type { Strategy } from '../harness/contracts/scenario.ts';
import { NODE_REMOVALS, type NodeRemoval } from '../harness/platforms/node-removals.ts';
import { carrier, ready, replaced } from './carriers.ts';
import { drain, ended, mark, unmark } from './node-removal.ts';
import { selecting, serveV1 } from './two-deployments.ts';

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
