import type { Strategy } from '../harness/contracts/scenario.ts';
import { settlesAfter } from '../harness/platforms/balancer-entry.ts';
import { BALANCERS } from '../harness/platforms/balancers.ts';
import { select, serveV1 } from './two-deployments.ts';

/**
 * The experiment that nobody could explain: one pod, its Service's selector changed so that it matches no pod at
 * all, and only part of the established connections survive. The pod itself is never touched, so every loss is
 * the network's. The selector is put back at the end so that all clients can return. With --rollback-after 30s
 * it is put back soon after the balancer has hashed the flows again, and connections that hung heal.
 */
export const seventyThirty: Strategy = {
  name: 'seventy-thirty',
  kind: 'experiment',
  question:
    'Why did changing the Service selector away from a healthy pod lose 70 % of its connections and keep 30 %?',
  needs: [],
  requires: () => [],
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    await stage.step(
      'selector matches no pod',
      async () => {
        await stage.kube.patch('Service', stage.workload.service, {
          spec: { selector: { app: 'gateway', version: 'none' } },
        });
      },
      { fault: true },
    );
    // Health checks and draining need their time, an unlucky heartbeat two periods to notice.
    const { balancer, policy, heartbeat } = stage.axes;
    const settled = Math.max(30_000, settlesAfter(BALANCERS[balancer], policy));
    await stage.step('watch', () => stage.sleep(settled + 2 * heartbeat));
    await stage.step('selector back', () => select(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('selector back', () => select(stage, 'v1'));
  },
};
