import type { Millis } from '../time/duration.ts';
import type { Capacity } from './capacity.ts';

/** Sockets that wait to be accepted: Node asks for 511, the kernel grants min(511, somaxconn 4096) and one more (FACTS-2026 10.2). */
export const ACCEPT_QUEUE = 512;

/** A SYN that finds the accept queue full is dropped, and sent again after 1 s, doubling, six times; after 127 s connect() fails (tcp_syn_retries). */
export const SYN_RETRY = { first: 1000, most: 64_000, retries: 6 } as const;

/** A Node.js process without any connection (`harness/gateway/main.ts` on Node 24: 82 MiB of RSS). */
const PROCESS_MEMORY = 82 * 2 ** 20;

/** The work of one event loop: what it has taken on, and where it stands. `serve` and `admit` change it. */
export interface QueueState {
  /** When all that it has taken on will be done. */
  free: Millis;
  /** When the turn that it is in will be over: only then it accepts the sockets that wait. */
  turn: Millis;
  /** Sockets in the accept queue: those that came since this turn began. */
  accepting: number;
  /** Processor time of all that it was ever given. */
  work: Millis;
  /** Handshakes that admission control would let in at once, as of `filled`; undefined before the first. */
  tokens: number | undefined;
  filled: Millis;
}

/** An event loop with nothing to do. */
export const newQueue = (now: Millis): QueueState => ({
  free: now,
  turn: now,
  accepting: 0,
  work: 0,
  tokens: undefined,
  filled: now,
});

/**
 * One piece of work joins the queue, which is served in turn: first come, first served, whatever it is. Returns when it
 * will be done. `cost` is processor time of one core.
 */
export function serve(state: QueueState, { processors }: Capacity, cost: Millis, now: Millis): Millis {
  advance(state, now);
  const isIdle = state.free <= now;
  state.free = Math.max(state.free, now) + cost / processors;
  state.work += cost;
  // Work that comes to an idle loop makes a turn of its own.
  if (isIdle) state.turn = state.free;
  return state.free;
}

/** What becomes of a socket that wants to be accepted: its SYN is dropped, or it will be asked for in turn and may come in or not. */
export type Admission = 'full' | 'admitted' | 'refused';

/**
 * A client's SYN arrives. While the loop works on what it has read, sockets wait in the accept queue; whoever finds
 * that full is dropped. Admission control is a token bucket that holds the handshakes of one second.
 */
export function admit(state: QueueState, { admission }: Capacity, now: Millis): Admission {
  advance(state, now);
  if (state.free > now && state.accepting >= ACCEPT_QUEUE) return 'full';
  if (state.free > now) state.accepting++;
  if (!Number.isFinite(admission)) return 'admitted';
  const most = Math.max(1, admission);
  state.tokens = Math.min(most, (state.tokens ?? most) + (admission * (now - state.filled)) / 1000);
  state.filled = now;
  if (state.tokens < 1) return 'refused';
  state.tokens--;
  return 'admitted';
}

/** How long what comes now will wait before it is served. */
export const waitOf = ({ free }: QueueState, now: Millis): Millis => Math.max(0, free - now);

/** Processor time that it has spent until now. */
export const usedUntil = (state: QueueState, { processors }: Capacity, now: Millis): Millis =>
  Number.isFinite(processors) ? state.work - waitOf(state, now) * processors : state.work;

/** Whether the kernel kills the process at so many connections. */
export const isOutOfMemory = ({ memory, connectionMemory }: Capacity, connections: number): boolean =>
  PROCESS_MEMORY + connections * connectionMemory > memory;

/** Turns that are over by now are followed by the next: it takes in all that came during the last one. */
function advance(state: QueueState, now: Millis): void {
  if (now < state.turn) return;
  state.turn = Math.max(state.free, now);
  state.accepting = 0;
}
