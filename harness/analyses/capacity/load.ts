import { isAged } from '../../contracts/connection.ts';
import type { CellHeader, Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { Analysis } from '../analysis.ts';
import { clientNumber, isFleet } from '../analysis.ts';

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;

/** A wait for its turn that a probe does not survive (timeoutSeconds 1): the service is not itself. */
const UNWELL: Millis = 1000;

/** What an attempt failed with that nobody answered in time, in the client's or the operating system's words. */
const TIMED_OUT: ReadonlySet<string> = new Set(['timeout', 'connect timed out', 'ETIMEDOUT']);

/** What came to the pods' doors and how they bore it; lists hold a value a second of the cell. */
export interface LoadResult {
  /** Handshakes that clients asked for, that were done, and that were refused by admission control. */
  readonly offered: readonly number[];
  readonly served: readonly number[];
  readonly refused: readonly number[];
  /** Attempts that clients gave up, because nobody answered in time. */
  readonly timedOut: readonly number[];
  /** Handshakes that wait, over all pods. */
  readonly queue: readonly number[];
  /** The longest wait for a turn on any pod, in milliseconds. */
  readonly wait: readonly Millis[];
  /** Share of its processors that the busiest pod used. */
  readonly busy: readonly number[];
  /** Since the release began. */
  readonly longestWait: Millis;
  readonly stale: number;
  readonly dropped: number;
  /** Attempts of clients that were away, each until it came back or the cell ended: of all, and the most of one. */
  readonly attempts: number;
  readonly returning: number;
  readonly mostAttempts: number;
  /** From then on every client was connected and nobody waited long, to the end; null where that never came. */
  readonly itselfAt: Millis | null;
}

interface Client {
  open: boolean;
  /** It is not back yet. */
  away: boolean;
  failed: number;
}

interface State extends Omit<{ -readonly [Name in keyof LoadResult]: LoadResult[Name] }, 'itselfAt'> {
  readonly offered: number[];
  readonly served: number[];
  readonly refused: number[];
  readonly timedOut: number[];
  readonly queue: number[];
  readonly wait: number[];
  readonly busy: number[];
  readonly clients: Client[];
  away: number;
  /** The second in which what a pod told last is counted. */
  readonly told: Map<string, number>;
  /** Handshakes that wait, by pod. */
  readonly waiting: Map<string, number>;
  released: boolean;
  unwellUntil: Millis;
  end: Millis;
}

const secondOf = (at: Millis) => Math.floor(at / 1000);

function grow(bins: number[], second: number): void {
  while (bins.length <= second) bins.push(0);
}

function add(bins: number[], second: number, number: number): void {
  grow(bins, second);
  (bins[second] as number) += number;
}

function raise(bins: number[], from: number, to: number, value: number): void {
  grow(bins, to);
  for (let second = Math.max(0, from); second <= to; second++)
    bins[second] = Math.max(bins[second] as number, value);
}

/** How many wait on all pods together, from this second on. */
function queued(state: State, pod: string, number: number, at: Millis): void {
  const { queue, waiting } = state;
  const second = secondOf(at);
  const last = queue.at(-1) ?? 0;
  while (queue.length <= second) queue.push(last);
  if (number === 0) waiting.delete(pod);
  else waiting.set(pod, number);
  queue[second] = [...waiting.values()].reduce((sum, one) => sum + one, 0);
}

function loaded(state: State, { at, over, pod, ...load }: Of<'load'>): void {
  // What a process tells last covers less than a second, and must not double what the second before it held.
  const second = Math.max(secondOf(Math.max(0, at - 1)), (state.told.get(pod) ?? -1) + 1);
  state.told.set(pod, second);
  add(state.offered, second, load.offered);
  add(state.served, second, load.served);
  add(state.refused, second, load.refused);
  raise(state.wait, second, second, load.wait);
  raise(state.busy, Math.min(second, secondOf(at - over)), second, load.busy);
  queued(state, pod, load.queue, at);
  if (!state.released) return;
  state.stale += load.stale;
  state.dropped += load.dropped;
  state.longestWait = Math.max(state.longestWait, load.wait);
  if (load.wait > UNWELL) state.unwellUntil = at;
}

function attempted(state: State, event: Of<'open' | 'refused' | 'closed'>): void {
  const { clients } = state;
  const { at } = event;
  const number = clientNumber(event.client);
  let client = clients[number];
  if (client === undefined) {
    client = { open: false, away: false, failed: 0 };
    clients[number] = client;
  }
  if (event.type === 'refused') {
    if (TIMED_OUT.has(event.why)) add(state.timedOut, secondOf(at), 1);
    if (!state.released || client.open) return;
    client.failed++;
    state.attempts++;
    state.mostAttempts = Math.max(state.mostAttempts, client.failed);
    return;
  }
  if (event.type === 'closed') {
    if (event.replaced === true || !client.open) return;
    client.open = false;
    // Who was sent away for the age of its connection is no sign of a service that is not itself.
    if (isAged(event.ending)) return;
    client.away = true;
    state.away++;
    if (state.released) state.returning++;
    return;
  }
  if (client.open) return;
  client.open = true;
  if (client.away) {
    state.away--;
    if (state.released) {
      state.attempts++;
      state.mostAttempts = Math.max(state.mostAttempts, client.failed + 1);
      if (state.away === 0) state.unwellUntil = Math.max(state.unwellUntil, at);
    }
  }
  client.away = false;
  client.failed = 0;
}

/** What came to the doors of pods whose limits are counted, and until when the service was not itself. */
export const loadAnalysis: Analysis<State, LoadResult> = {
  name: 'load',
  start: (_cell: CellHeader) => ({
    offered: [],
    served: [],
    refused: [],
    timedOut: [],
    queue: [],
    wait: [],
    busy: [],
    longestWait: 0,
    stale: 0,
    dropped: 0,
    attempts: 0,
    returning: 0,
    mostAttempts: 0,
    clients: [],
    away: 0,
    told: new Map(),
    waiting: new Map(),
    released: false,
    unwellUntil: 0,
    end: 0,
  }),
  fold(state, event) {
    state.end = event.at;
    switch (event.type) {
      case 'step':
        if (event.phase === 'release') state.released = true;
        return;
      case 'load':
        return loaded(state, event);
      case 'gateway':
        // What waited went with its process.
        if (event.did === 'exit' || event.did === 'killed') queued(state, event.pod, 0, event.at);
        return;
      case 'pod':
        if (event.phase === 'gone') queued(state, event.pod, 0, event.at);
        return;
      case 'gave-up': {
        // It will never be back, which is said elsewhere.
        const client = isFleet(event.client) ? state.clients[clientNumber(event.client)] : undefined;
        if (client?.away) state.away--;
        if (client !== undefined) client.away = false;
        return;
      }
      case 'open':
      case 'refused':
      case 'closed':
        if (isFleet(event.client)) attempted(state, event);
        return;
    }
  },
  result(state) {
    const { away, end, unwellUntil } = state;
    const length = secondOf(end);
    for (const bins of [state.offered, state.served, state.refused, state.timedOut, state.wait, state.busy])
      grow(bins, length);
    while (state.queue.length <= length) state.queue.push(state.queue.at(-1) ?? 0);
    // A queue that was long only just now has not shown that it is over.
    const isWell = away === 0 && (unwellUntil === 0 || end - unwellUntil > UNWELL);
    return { ...state, itselfAt: isWell ? unwellUntil : null };
  },
};
