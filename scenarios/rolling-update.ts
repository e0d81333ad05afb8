import type { Strategy } from '../harness/contracts/scenario.ts';
import { gone } from './two-deployments.ts';

const DEPLOYMENT = 'gateway';

/**
 * The baseline that most teams run today: the Deployment's template changes, the controller replaces pods as
 * maxSurge and maxUnavailable allow, and each old pod does on SIGTERM what its gateway does (axis `drain`).
 * A client that loses its pod early may land on another old pod and be dropped again. Needs nothing. Choose it
 * when dropping some clients more than once is acceptable.
 */
export const rollingUpdate: Strategy = {
  name: 'rolling-update',
  question: 'How many clients does a plain rolling update drop, and how many of them more than once?',
  needs: [],
  requires: ({ drain }) => (drain === 'paced' ? ['a gateway that drains slowly on SIGTERM'] : []),
  // Longer than the drain takes, for both: a gateway that has closed everything ends at once anyway.
  heeds: ['maxSurge', 'maxUnavailable'],
  variants: { drain: 'close-all,paced', grace: '6m' },
  async prepare(stage) {
    await stage.kube.apply(stage.workload.deployment('v1', { name: DEPLOYMENT }));
    await stage.rolledOut(DEPLOYMENT);
    await stage.kube.apply(stage.workload.loadBalancer({ app: 'gateway' }));
  },
  async release(stage) {
    await stage.step(
      'template to v2',
      async () => {
        await stage.kube.apply(stage.workload.deployment('v2', { name: DEPLOYMENT }));
        await stage.rolledOut(DEPLOYMENT);
      },
      { cutOver: true },
    );
    await stage.step('old pods end', () => gone(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step(
      'template to v1',
      async () => {
        await stage.kube.apply(stage.workload.deployment('v1', { name: DEPLOYMENT }));
        await stage.rolledOut(DEPLOYMENT);
      },
      { cutOver: true },
    );
    await stage.step('v2 pods end', () => gone(stage, 'v2'));
  },
};
