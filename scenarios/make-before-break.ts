import type { Strategy } from '../harness/contracts/scenario.ts';
import { selectorFlip } from './selector-flip.ts';

/**
 * As a paced drain by application message, but the client opens its new connection before it closes the old one,
 * so it is never away. Needs clients that can do so, and for as long as both are open one connection more for
 * each client that is on its way; the connections per pod show what that costs. Choose it when you own the
 * clients and a gap of even a second hurts.
 */
export const makeBeforeBreak: Strategy = {
  name: 'make-before-break',
  question:
    'If clients open the new connection before they close the old, is anybody ever away, and what does it cost?',
  needs: [],
  requires: (axes) => [
    ...selectorFlip.requires(axes),
    'clients that open a second connection before they close the first',
  ],
  heeds: ['retire', 'ask'],
  makeBeforeBreak: true,
  defaults: { retire: 'paced', ask: 'message' },
  prepare: (stage) => selectorFlip.prepare?.(stage) ?? Promise.resolve(),
  release: selectorFlip.release,
  rollback: selectorFlip.rollback,
};
