import { describe, expect, test } from 'vitest';
import { Random } from '../statistics/random.ts';
import { type Capacity, UNLIMITED } from './capacity.ts';
import { ACCEPT_QUEUE, admit, newQueue, serve, usedUntil } from './queue.ts';

const capacity = (changes: Partial<Capacity>): Capacity => ({ ...UNLIMITED, processors: 1, ...changes });

/** Mean wait before its turn of what comes at random at so much load, with the half width of its 99 % interval (batch means). */
function meanWait(load: number, cost: number, jobs: number, seed: number): { mean: number; half: number } {
  const random = new Random(seed);
  const state = newQueue(0);
  const batches = 40;
  const means: number[] = [];
  let now = 0;
  for (let batch = 0; batch < batches; batch++) {
    let sum = 0;
    for (let job = 0; job < jobs / batches; job++) {
      now += (-Math.log((random.uint32() + 1) / 2 ** 32) * cost) / load;
      sum += serve(state, capacity({}), cost, now) - cost - now;
    }
    means.push(sum / (jobs / batches));
  }
  // The first batch begins with an empty queue.
  const kept = means.slice(1);
  const mean = kept.reduce((sum, one) => sum + one, 0) / kept.length;
  const variance = kept.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (kept.length - 1);
  // Student's t for 38 degrees of freedom, 99 % on both sides.
  return { mean, half: 2.712 * Math.sqrt(variance / kept.length) };
}

describe.each([0.5, 0.8, 0.95])('at a load of %d', (load) => {
  test.each([1, 2, 3])('what comes at random waits as M/D/1 says (seed %d)', (seed) => {
    const cost = 10;
    const { mean, half } = meanWait(load, cost, 800_000, seed);
    const theory = (load * cost) / (2 * (1 - load));
    expect(Math.abs(mean - theory), `${mean} ± ${half}, in theory ${theory}`).toBeLessThan(half);
    // Or the interval would hold anything.
    expect(half).toBeLessThan(0.1 * theory);
  });
});

test.each([
  [100, 10, 1],
  [2000, 3, 0.5],
  [777, 1.5, 4],
])(
  '%d pieces of work of %d ms need exactly their sum on %d processors, however they come',
  (count, cost, processors) => {
    const random = new Random(count);
    const state = newQueue(0);
    let done = 0;
    let now = 0;
    for (let job = 0; job < count; job++) {
      if (job > 0 && random.integer(0, 3) === 0) now += cost / processors / 4;
      done = serve(state, capacity({ processors }), cost, now);
    }
    expect(done).toBeCloseTo((count * cost) / processors);
    expect(usedUntil(state, capacity({ processors }), done)).toBeCloseTo(count * cost);
    expect(usedUntil(state, capacity({ processors }), done / 2)).toBeCloseTo((count * cost) / 2);
  },
);

test('without a limit everything is done when it comes, and nobody waits to be accepted', () => {
  const state = newQueue(0);
  for (let job = 0; job < 5000; job++) {
    expect(admit(state, UNLIMITED, 7)).toBe('admitted');
    expect(serve(state, UNLIMITED, 10_000, 7)).toBe(7);
  }
});

test('a herd fills the accept queue while the loop works on the first of it, and again in each turn', () => {
  const state = newQueue(0);
  const come = (count: number, now: number) =>
    Array.from({ length: count }, () => {
      const admission = admit(state, capacity({}), now);
      if (admission === 'admitted') serve(state, capacity({}), 10, now);
      return admission;
    }).filter((one) => one === 'admitted').length;
  expect(come(2000, 0)).toBe(1 + ACCEPT_QUEUE);
  expect(come(2000, 9)).toBe(0);
  // The next turn takes in all that waits, and lasts until that is done.
  expect(come(2000, 10)).toBe(ACCEPT_QUEUE);
  expect(come(2000, 5129)).toBe(0);
  expect(come(2000, 5130)).toBe(ACCEPT_QUEUE);
});

test('admission lets in a second’s worth at once and then its rate, and forgets nothing in between', () => {
  const state = newQueue(0);
  const limited = capacity({ processors: 1e9, admission: 20 });
  const come = (count: number, now: number) =>
    Array.from({ length: count }, () => admit(state, limited, now)).filter((one) => one === 'admitted')
      .length;
  expect(come(1000, 0)).toBe(20);
  expect(come(1000, 100)).toBe(2);
  expect(come(1000, 125)).toBe(0);
  expect(come(1000, 150)).toBe(1);
  expect(come(1000, 60_000)).toBe(20);
});
