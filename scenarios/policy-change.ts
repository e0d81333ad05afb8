import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { serveV1 } from './two-deployments.ts';

/**
 * externalTrafficPolicy is changed on the live Service, as a helm upgrade may do in passing. The kind of health
 * check changes with it, so the cloud controller deletes the forwarding rule and the pool and creates them anew
 * (FACTS A4): the address is dead in between, and every flow is hashed again afterwards. No pod is touched.
 * `rollback` changes it back, which does the same once more.
 */
export const policyChange: Strategy = {
  name: 'policy-change',
  kind: 'experiment',
  question: 'What does a change of externalTrafficPolicy on a live Service cost?',
  needs: ['balancer-recreation'],
  requires: () => [],
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    const { policy, heartbeat } = stage.axes;
    await stage.step(
      'externalTrafficPolicy changes',
      async () => {
        await setPolicy(stage, policy === 'Local' ? 'Cluster' : 'Local');
        await stage.sleep(60_000 + 2 * heartbeat);
      },
      { fault: true },
    );
  },
  async rollback(stage) {
    await stage.step('externalTrafficPolicy changes back', () => setPolicy(stage, stage.axes.policy), {
      fault: true,
    });
  },
};

async function setPolicy(stage: Stage, externalTrafficPolicy: 'Cluster' | 'Local'): Promise<void> {
  await stage.kube.patch('Service', stage.workload.service, { spec: { externalTrafficPolicy } });
}
