import type { Millis } from '../../time/duration.ts';

/** Endings of an upstream that are no word to the client: it goes away, or went without a word (RFC 6455 7.4, IANA). */
export const COMES_BACK: ReadonlySet<number> = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014]);

/** The close code for a client that no gateway can be found for: try again later. */
export const TRY_AGAIN_LATER = 1013;

/** How long an upstream may take to open, or to answer a ping, unless the environment's PATIENCE says otherwise. */
export const PATIENCE: Millis = 5000;

/**
 * How long a client is kept without any upstream, unless HOLD_FOR says otherwise: less than the usual heartbeat, so
 * that it is told rather than left to find out.
 */
export const HOLD_FOR: Millis = 20_000;
