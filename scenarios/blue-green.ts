import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import type { Version } from '../harness/contracts/workload.ts';
import { bringIn, ROOM, retire, retiring, select, selecting, serveV1 } from './two-deployments.ts';

const GREEN = 'gateway-green';

/**
 * Two full environments and one switch. `--switch-by selector` re-points the one public Service; `balancer`
 * gives green a load balancer of its own and changes the DNS name, so that blue's balancer, pool and rules are
 * never touched and clients follow as their cached answer expires (`--dns-ttl`). With `--keep-blue yes` blue
 * stays: nobody is disconnected by the release at all, and clients move over only as they reconnect by
 * themselves; else it is retired once green has been watched for `--blue-delay`. Needs room for twice the pods, and for `balancer` a second address. Choose the balancer switch
 * where a selector flip is known to lose connections; its rollback is one more DNS change.
 */
export const blueGreen: Strategy = {
  name: 'blue-green',
  question: 'Is a whole second environment behind one switch gentler than changing the first?',
  needs: ['second-balancer'],
  requires: ({ switchBy, keepBlue, ...axes }) => [
    ROOM,
    ...(keepBlue === 'no' ? retiring(axes) : []),
    ...(switchBy === 'balancer'
      ? (['a second load balancer and clients that follow its DNS name'] as const)
      : []),
  ],
  // Switched by its selector it does what a paced drain does, which is compared under that name.
  heeds: ['switchBy', 'dnsTtl', 'keepBlue', 'blueDelay', 'retire', 'ask'],
  variants: { switchBy: 'balancer' },
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    await stage.step('green beside blue', () => bringIn(stage, 'v2'));
    await turn(stage, 'v2');
    await stage.step('watch', () => stage.sleep(stage.axes.blueDelay));
    if (stage.axes.keepBlue === 'no') await stage.step('retire blue', () => retire(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('blue at full size', () => bringIn(stage, 'v1'));
    await turn(stage, 'v1');
    await stage.step('retire green', () => retire(stage, 'v2'));
  },
};

async function turn(stage: Stage, version: Version): Promise<void> {
  if (stage.axes.switchBy === 'selector') {
    await stage.step(`switch the selector to ${version}`, () => select(stage, version), { cutOver: true });
    return;
  }
  if (version === 'v2')
    await stage.step("green's own balancer", async () => {
      await stage.kube.apply(stage.workload.loadBalancer(selecting('v2'), GREEN));
      await stage.reachable(GREEN);
    });
  await stage.step(
    `DNS to ${version}`,
    async () => {
      stage.point(version === 'v2' ? GREEN : stage.workload.service);
      // Until the last cached answer has expired, new connections to the old side are no surprise.
      await stage.sleep(stage.axes.dnsTtl);
    },
    { cutOver: false },
  );
  await stage.step(`all resolvers name ${version}`, async () => {}, { cutOver: true });
}
