import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Random } from './random.ts';

test('one seed draws the same numbers again, and these very numbers on every machine', () => {
  const draw = (seed: number) =>
    Array.from(
      { length: 4 },
      (
        (random) => () =>
          random.uint32()
      )(new Random(seed)),
    );
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  expect(draw(1)).toMatchInlineSnapshot(`
    [
      44107584,
      1503263182,
      1694232030,
      1521405094,
    ]
  `);
});

test('a fork does not depend on what its parent has drawn', () => {
  const early = new Random(7).fork('clients').uint32();
  const parent = new Random(7);
  parent.uint32();
  expect(parent.fork('clients').uint32()).toBe(early);
  expect(parent.fork('nodes').uint32()).not.toBe(early);
});

test('integers lie within their bounds and spread evenly (chi-squared over 16 bins)', () => {
  const random = new Random('spread');
  const bins = new Array(16).fill(0);
  for (let draw = 0; draw < 16_000; draw++) bins[random.integer(0, 16)]++;
  const chiSquared = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 15 degrees of freedom: beyond 37.7 in one of a thousand; the seed is fixed, so this never flickers.
  expect(chiSquared).toBeLessThan(37.7);
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: -1e6, max: 1e6 }),
      fc.integer({ min: 1, max: 1e6 }),
      (seed, low, width) => {
        const drawn = new Random(seed).integer(low, low + width);
        expect(drawn).toBeGreaterThanOrEqual(low);
        expect(drawn).toBeLessThan(low + width);
      },
    ),
  );
});

test('a shuffle keeps every item', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer()), (seed, items) => {
      const sorted = (list: number[]) => [...list].sort((left, right) => left - right);
      expect(sorted(new Random(seed).shuffle(items))).toEqual(sorted(items));
    }),
  );
});
