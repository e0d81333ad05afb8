import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import type { Version } from '../harness/contracts/workload.ts';
import { bringIn, noMore, ROOM, retire, retiring, serveV1, tell } from './two-deployments.ts';

/**
 * One Service selects both versions. v2 comes in beside v1; then the v1 pods are told over their admin port to
 * fail their readinessProbe. The kubelet notices after failureThreshold periods (20 to 30 s with the defaults),
 * the pods leave the EndpointSlice and keep their connections (not with Cilium before late 2025, `cilium-1.18` and
 * older); once only v2 takes new ones, v1 is retired.
 * Needs an admin port and room for twice the pods. Not-ready pods are the first victims of any scale-down and
 * count as not ready to the autoscaler, so do not let either run meanwhile.
 */
export const readinessFail: Strategy = {
  name: 'readiness-fail',
  question: 'Do pods that fail their readinessProbe on purpose keep the connections they have?',
  needs: [],
  requires: (axes) => [ROOM, 'a gateway that fails its readiness on request', ...retiring(axes)],
  heeds: ['retire', 'ask'],
  variants: { retire: 'abrupt' },
  prepare: (stage) => serveV1(stage, { app: 'gateway' }),
  async release(stage) {
    await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
    await stage.step('v1 fails readiness', () => unready(stage, 'v1'), { cutOver: true });
    await stage.step('watch', () => stage.sleep(30_000 + 2 * stage.axes.heartbeat));
    await stage.step('retire v1', () => retire(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('v1 ready again', async () => {
      await tell(stage, 'v1', '/restore-readiness');
      await bringIn(stage, 'v1');
    });
    const fails = async () => {
      await noMore(stage, 'v2');
      await unready(stage, 'v2');
    };
    await stage.step('v2 fails readiness', fails, { cutOver: true });
    await stage.step('retire v2', () => retire(stage, 'v2'));
  },
};

/** Fails the readinessProbe of a version's pods, and waits until the kubelet has noticed. */
export async function unready(stage: Stage, version: Version): Promise<void> {
  await tell(stage, version, '/fail-readiness');
  await stage.until(`no ${version} pod is ready`, async () =>
    (await stage.pods(version)).every((pod) =>
      pod.status?.conditions?.every(({ type, status }) => type !== 'Ready' || status !== 'True'),
    ),
  );
}
