import type { Strategy } from '../harness/contracts/scenario.ts';
import { carrier, isOn, ready, replaced } from './carriers.ts';
import { serveV1 } from './two-deployments.ts';

/**
 * Not a release: a node that carries pods loses power. Nothing says goodbye: clients of its pods, and those that only
 * came through it, hang until their heartbeat tells them. The balancer finds out by its health checks; the API takes the
 * node for not ready after 50 s (before 1.32 40 s), when the pods leave the endpoints, and replaces them 300 s after
 * that (tolerationSeconds). Until then new connections may still be sent there. `rollback` switches the machine on again.
 */
export const nodeFailure: Strategy = {
  name: 'node-failure',
  kind: 'experiment',
  question: 'What do clients see when a node that carries pods loses power?',
  needs: ['node-power'],
  requires: () => [],
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    const node = await carrier(stage);
    const wanted = await ready(stage);
    await stage.step(
      `${node} loses power`,
      async () => {
        await stage.power.off(node);
        await stage.sleep(60_000 + 2 * stage.axes.heartbeat);
      },
      { fault: true },
    );
    await stage.step('the API gives its pods up', () =>
      stage.until('no pod of it is counted', async () => !(await stage.pods('v1')).some(isOn(node))),
    );
    await replaced(stage, wanted);
  },
  async rollback(stage) {
    await stage.step('the machine is switched on', () => stage.power.on());
    await stage.rolledOut('gateway-v1');
  },
};
