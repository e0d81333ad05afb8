import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { readinessFail } from './readiness-fail.ts';
import { selectorFlip } from './selector-flip.ts';

/**
 * Bring v2 to full size, keep new connections from v1 (by a selector flip or by failing readiness), and then let
 * v1 ask its clients to go, a few at a time, evenly over D (`--drain-over`), by a close frame 1012 or an
 * application message (`--ask`). Each client is asked once, lands on v2, and the return never peaks above
 * N / max(D, T), with T the clients' back-off: a D below T buys nothing, a D above it does. Needs a gateway that
 * can drain on demand and room for twice the pods for D. Choose it whenever the gateway is yours to change.
 */
export const pacedDrain: Strategy = {
  name: 'paced-drain',
  question:
    'If v1 asks its clients to go at a constant rate, does each lose its connection exactly once and how high is the peak of returns?',
  needs: [],
  requires: (axes) => (axes.stopNew === 'flip' ? selectorFlip : readinessFail).requires(axes),
  heeds: ['stopNew', 'retire', 'ask'],
  defaults: { retire: 'paced' },
  variants: { stopNew: 'flip,readiness' },
  prepare: (stage) => stopper(stage).prepare?.(stage) ?? Promise.resolve(),
  release: (stage) => stopper(stage).release(stage),
  rollback: (stage) => stopper(stage).rollback(stage),
};

/** What keeps new connections from v1; both end with retiring it, paced. */
const stopper = (stage: Stage): Strategy => (stage.axes.stopNew === 'flip' ? selectorFlip : readinessFail);
