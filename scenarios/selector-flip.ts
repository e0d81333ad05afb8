import type { Strategy } from '../harness/contracts/scenario.ts';
import { bringIn, ROOM, retire, retiring, select, serveV1 } from './two-deployments.ts';

/**
 * v2 is brought to full size beside v1, the Service's selector is flipped to v2, and v1 is retired once all
 * new connections land on v2. Established connections should not notice the flip: kube-proxy never ends TCP
 * flows (FACTS B1). Whether they do anyway is the question, and depends on externalTrafficPolicy, the balancer
 * and the dataplane: Cilium drops the backend, and its connections with it, unless another Service still selects the
 * pods (`--second-service yes`). Needs room for twice the pods. Choose it where the policy is Cluster and nodes run
 * kube-proxy, or Cilium with such a Service; a rollback before v1 is retired is one more flip and costs nothing but the v2 clients.
 */
export const selectorFlip: Strategy = {
  name: 'selector-flip',
  question: 'Does flipping the Service selector to v2 keep the connections that v1 still serves?',
  needs: [],
  requires: (axes) => [ROOM, ...retiring(axes)],
  // Retired at a pace it is a paced drain, which is compared under that name.
  heeds: ['retire', 'ask'],
  variants: { retire: 'abrupt' },
  prepare: (stage) => serveV1(stage),
  async release(stage) {
    await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
    await stage.step('selector to v2', () => select(stage, 'v2'), { cutOver: true });
    // Long enough for health checks to fail and heartbeats to notice: what is lost by the flip shows before v1 goes.
    await stage.step('watch', () => stage.sleep(30_000 + 2 * stage.axes.heartbeat));
    await stage.step('retire v1', () => retire(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('v1 back at full size', () => bringIn(stage, 'v1'));
    await stage.step('selector to v1', () => select(stage, 'v1'), { cutOver: true });
    await stage.step('retire v2', () => retire(stage, 'v2'));
  },
};
