import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createBoundedFrequency, tryRun } from './bounded-frequency.ts';

/** When the runner runs, asked at `requests` and again whenever it said to. */
function runs(interval: number, burst: number, requests: readonly number[]): number[] {
  let runner = createBoundedFrequency(interval, burst, 0);
  const ran: number[] = [];
  let retry = Number.POSITIVE_INFINITY;
  const pending = [...requests].sort((a, b) => a - b);
  while (pending.length > 0 || Number.isFinite(retry)) {
    const now = Math.min(pending[0] ?? Number.POSITIVE_INFINITY, retry);
    if (now === pending[0]) pending.shift();
    if (now === retry) retry = Number.POSITIVE_INFINITY;
    const asked = tryRun(runner, now);
    runner = asked.runner;
    if (asked.wait === undefined) ran.push(now);
    retry = asked.wait === undefined ? Number.POSITIVE_INFINITY : now + asked.wait;
  }
  return ran;
}

it('runs twice at once, then once an interval', () => {
  expect(runs(1000, 2, [0, 10, 20, 30, 1500])).toEqual([0, 10, 1010, 2010]);
});

it('an interval of 0 limits nothing', () => {
  expect(runs(0, 2, [0, 1, 2, 3])).toEqual([0, 1, 2, 3]);
});

it('never runs more often than the bucket allows, and always after the last request', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1 }), (requests) => {
      const ran = runs(1000, 2, requests);
      for (const start of ran) {
        const within = ran.filter((at) => at >= start && at < start + 5000).length;
        expect(within).toBeLessThanOrEqual(2 + 5);
      }
      expect(ran.at(-1)).toBeGreaterThanOrEqual(Math.max(...requests));
    }),
  );
});
