import fc from 'fast-check';
import { expect, it } from 'vitest';
import { drainPlan } from './drain.ts';

it('asks the connections evenly, in order, and all of them within the time given', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: 7_200_000 }), (count, over) => {
      const times = drainPlan(count, over);
      expect(times).toHaveLength(count);
      const interval = over / count;
      expect(times[0]).toBe(Math.floor(interval));
      for (let index = 1; index < count; index++) {
        const gap = (times[index] as number) - (times[index - 1] as number);
        expect(Math.abs(gap - interval)).toBeLessThanOrEqual(1);
      }
      expect(times[count - 1]).toBe(over);
    }),
  );
});

it('asks all at once over no time', () => {
  expect(drainPlan(3, 0)).toEqual([0, 0, 0]);
});

it('has nobody to ask where nobody is connected', () => {
  expect(drainPlan(0, 1000)).toEqual([]);
});
