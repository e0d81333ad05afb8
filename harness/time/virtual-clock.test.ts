import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InterruptedError, StuckError } from '../errors.ts';
import { VirtualClock } from './virtual-clock.ts';

test('events fire in the order of their time, and within one millisecond in the order they were scheduled', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 300 }),
      async (delays) => {
        const clock = new VirtualClock();
        const fired: [number, number][] = [];
        for (const [index, delay] of delays.entries())
          clock.after(delay, () => fired.push([clock.now(), index]));
        await clock.run(() => clock.sleep(400_001));
        const expected = delays
          .map((delay, index) => [delay, index] as [number, number])
          .sort(([left, first], [right, second]) => left - right || first - second);
        expect(fired).toEqual(expected);
      },
    ),
  );
});

test('events scheduled while time passes keep the same order, far ones and near ones mixed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 200_000 })), {
        maxLength: 100,
      }),
      async (pairs) => {
        const clock = new VirtualClock();
        let last = 0;
        let seen = 0;
        const note = (due: number) => {
          expect(clock.now()).toBe(due);
          expect(clock.now()).toBeGreaterThanOrEqual(last);
          last = clock.now();
          seen++;
        };
        for (const [first, second] of pairs)
          clock.after(first, () => {
            note(first);
            clock.after(second, () => note(first + second));
          });
        await clock.run(() => clock.sleep(300_001));
        expect(seen).toBe(2 * pairs.length);
      },
    ),
  );
});

test('a disposed event never fires', async () => {
  const clock = new VirtualClock();
  let fired = false;
  clock
    .after(10, () => {
      fired = true;
    })
    [Symbol.dispose]();
  await clock.run(() => clock.sleep(20));
  expect(fired).toBe(false);
});

test('code that awaits runs to its next wait before time moves on', async () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  clock.after(11, () => seen.push(-1));
  await clock.run(async () => {
    await clock.sleep(10);
    for (let tick = 0; tick < 50; tick++) await Promise.resolve();
    seen.push(clock.now());
    await clock.sleep(5);
    seen.push(clock.now());
  });
  expect(seen).toEqual([10, -1, 15]);
});

test('a main that waits for nothing that could come is told so', async () => {
  const clock = new VirtualClock();
  await expect(clock.run(() => new Promise(() => {}))).rejects.toThrow(StuckError);
});

test('an aborted sleep ends with InterruptedError at the moment of the abort', async () => {
  const clock = new VirtualClock();
  const abort = new AbortController();
  clock.after(30, () => abort.abort());
  await expect(clock.run(() => clock.sleep(1000, abort.signal))).rejects.toThrow(InterruptedError);
  expect(clock.now()).toBe(30);
});

test('a repeated event fires every period from its first delay on, until it is disposed of, even by itself', async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  using _steady = clock.every(70_000, 5, () => fired.push(clock.now()));
  const timer: Disposable = clock.every(10, 100, () => {
    fired.push(-clock.now());
    if (clock.now() === 120) timer[Symbol.dispose]();
  });
  await clock.run(() => clock.sleep(150_000));
  expect(fired).toEqual([5, -100, -110, -120, 70_005, 140_005]);
});
