import type { BackoffModel } from '../contracts/axes.ts';
import type { Random } from '../statistics/random.ts';
import type { Millis } from '../time/duration.ts';

/** What a client remembers between two waits; a fresh one for each loss, except `minimum`, drawn once a client. */
export interface BackoffMemory {
  /** Attempts since the connection was lost. */
  attempt: number;
  /** The wait before, for decorrelated jitter. */
  previous: Millis;
  /** reconnecting-websocket draws its minimum once a page (1000 + rand * 4000) and never jitters again. */
  minimum: Millis;
}

const BASE: Millis = 1000;

type Model = (limit: Millis, memory: BackoffMemory, random: Random) => Millis | undefined;

const upTo = (bound: Millis, random: Random) => random.integer(0, Math.max(0, Math.round(bound)) + 1);
// Beyond 2^60 every cap is reached; the exponent is bounded so that the power stays finite.
const exponential = (base: Millis, factor: number, cap: Millis, { attempt }: BackoffMemory) =>
  Math.min(cap, base * factor ** Math.min(attempt, 60));

const MODELS: Record<BackoffModel, Model> = {
  uniform: (limit, _memory, random) => upTo(limit, random),
  fixed: (limit) => limit,
  'exponential-full-jitter': (limit, memory, random) => upTo(exponential(BASE, 2, limit, memory), random),
  'exponential-equal-jitter': (limit, memory, random) => {
    const half = exponential(BASE, 2, limit, memory) / 2;
    return Math.round(half) + upTo(half, random);
  },
  decorrelated: (limit, memory, random) => {
    const low = Math.min(BASE, limit);
    const high = Math.max(low, Math.max(memory.previous, low) * 3);
    memory.previous = Math.min(limit, random.integer(low, high + 1));
    return memory.previous;
  },
  // 1 s doubling to 5 s with randomizationFactor 0.5 either way; the jitter comes before the cap.
  'socket.io': (_limit, memory, random) =>
    Math.round(Math.min(5000, (1000 * 2 ** Math.min(memory.attempt, 20) * random.integer(500, 1501)) / 1000)),
  'reconnecting-websocket': (_limit, memory, random) => {
    if (memory.minimum === 0) memory.minimum = 1000 + upTo(4000, random);
    return Math.round(exponential(memory.minimum, 1.3, 10_000, memory));
  },
  signalr: (_limit, { attempt }) => [0, 2000, 10_000, 30_000][attempt],
  phoenix: (_limit, { attempt }) => [10, 50, 100, 150, 200, 250, 500, 1000, 2000][attempt] ?? 5000,
};

/**
 * The wait before a client's next attempt, or undefined when its library gives up for good; counts the attempt
 * in `memory`. `limit` is the longest wait where the model has one that users set; the models named after a
 * library keep that library's own defaults, whatever the limit (FACTS I).
 */
export function nextWait(
  model: BackoffModel,
  limit: Millis,
  memory: BackoffMemory,
  random: Random,
): Millis | undefined {
  const wait = MODELS[model](limit, memory, random);
  memory.attempt++;
  return wait;
}
