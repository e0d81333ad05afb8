import type { Millis } from '../time/duration.ts';

/** The close code of a gateway that goes away and will be back: 1012, Service Restart (IANA WebSocket close codes). */
export const SERVICE_RESTART = 1012;

/** Whether a draining gateway closes a connection itself or sends a message that asks the client to leave. */
export type DrainHow = 'close' | 'message';

/**
 * When each of `connections` is asked to leave, in milliseconds from the drain's begin and in the order in which
 * they came: evenly over `over`, the last one at its end; 0 asks all at once. Connections that arrive during a
 * drain are in no plan; whoever drains asks them when the plan has ended.
 */
export function drainPlan(connections: number, over: Millis): Millis[] {
  return Array.from({ length: connections }, (_, index) => Math.floor(((index + 1) * over) / connections));
}
