import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BACKOFF_MODELS, type BackoffModel } from '../contracts/axes.ts';
import { Random } from '../statistics/random.ts';
import { nextWait } from './backoff.ts';

const waits = (model: BackoffModel, limit: number, count: number, seed: number | string = 'test') => {
  const memory = { attempt: 0, previous: 0, minimum: 0 };
  const random = new Random(seed);
  return Array.from({ length: count }, () => nextWait(model, limit, memory, random));
};

test('no wait is negative, fractional, or longer than the limit that the model has', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...BACKOFF_MODELS),
      fc.integer({ min: 1000, max: 3_600_000 }),
      fc.integer(),
      (model, limit, seed) => {
        const ownLimit: Partial<Record<BackoffModel, number>> = {
          'socket.io': 5000,
          'reconnecting-websocket': 10_000,
          signalr: 30_000,
          phoenix: 5000,
        };
        for (const wait of waits(model, limit, 40, seed)) {
          if (wait === undefined) continue;
          expect(Number.isInteger(wait)).toBe(true);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(ownLimit[model] ?? limit);
        }
      },
    ),
  );
});

test('libraries without jitter wait what their source says, and SignalR gives up after four attempts', () => {
  expect(waits('signalr', 1, 5)).toEqual([0, 2000, 10_000, 30_000, undefined]);
  expect(waits('phoenix', 1, 11)).toEqual([10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000]);
  expect(waits('fixed', 7000, 2)).toEqual([7000, 7000]);
});

test('uniform back-off over five minutes waits two and a half on average', () => {
  const drawn = waits('uniform', 300_000, 20_000) as number[];
  const mean = drawn.reduce((sum, wait) => sum + wait, 0) / drawn.length;
  expect(Math.abs(mean - 150_000)).toBeLessThan(2500);
});

test('full jitter doubles its bound until the limit, equal jitter never falls below half of it', () => {
  for (let seed = 0; seed < 200; seed++) {
    for (const [attempt, wait] of waits('exponential-full-jitter', 60_000, 10, seed).entries())
      expect(wait).toBeLessThanOrEqual(Math.min(60_000, 1000 * 2 ** attempt));
    for (const [attempt, wait] of waits('exponential-equal-jitter', 60_000, 10, seed).entries())
      expect(wait).toBeGreaterThanOrEqual(Math.min(60_000, 1000 * 2 ** attempt) / 2);
  }
});
