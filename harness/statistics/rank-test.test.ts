import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bootstrapDifference } from './bootstrap.ts';
import { Random } from './random.ts';
import { leastProbability, rankTest } from './rank-test.ts';

describe('rankTest', () => {
  test('counts divisions: complete separation of 5 and 5 is 1 in 252', () => {
    expect(rankTest([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(1 / 252, 12);
    expect(rankTest([6, 7, 8, 9, 10], [1, 2, 3, 4, 5])).toBe(1);
    expect(leastProbability(5, 5)).toBeCloseTo(1 / 252, 12);
  });

  test("gives the textbook's figure", () => {
    // Mann and Whitney's table: n = 3, m = 4, U = 1 has the probability 2/35.
    expect(rankTest([1, 2, 4], [3, 5, 6, 7])).toBeCloseTo(2 / 35, 12);
  });

  test('finds nothing between equal values, and nothing without values', () => {
    expect(rankTest([0, 0, 0, 0], [0, 0, 0, 0])).toBe(1);
    expect(rankTest([], [1])).toBe(1);
    expect(rankTest(new Array(30).fill(1), new Array(30).fill(1))).toBe(1);
  });

  test('does not mind the order, nor a stretch of the scale', () => {
    const values = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(values, values, (first, second) => {
        const probability = rankTest(first, second);
        expect(rankTest([...first].reverse(), [...second].reverse())).toBeCloseTo(probability, 12);
        const stretch = (value: number) => value ** 3 + 1;
        expect(rankTest(first.map(stretch), second.map(stretch))).toBeCloseTo(probability, 12);
        expect(probability).toBeGreaterThan(0);
        expect(probability).toBeLessThanOrEqual(1);
      }),
    );
  });

  test.each([21, 25, 40, 100, 500])(
    'of complete separation is one division of all, with %d a side',
    (runs) => {
      const low = Array.from({ length: runs }, (_, index) => index);
      const high = low.map((value) => value + runs);
      expect(rankTest(low, high) / leastProbability(runs, runs)).toBeCloseTo(1, 9);
      expect(rankTest(low, high)).toBeLessThan(1e-11);
      expect(rankTest(high, low)).toBeCloseTo(1, 6);
    },
  );

  test('finds a difference the surer the more runs there are, by counting and by approximation', () => {
    // Half of the runs of one side lie among the other's.
    const probability = (runs: number) => {
      const first = Array.from({ length: runs }, (_, index) => index / runs);
      return rankTest(
        first,
        first.map((value) => value + 0.5),
      );
    };
    const found = [5, 8, 12, 16, 20, 21, 22, 25, 30, 40, 60, 100, 200].map(probability);
    for (const [place, one] of found.slice(1).entries()) expect(one).toBeLessThan(found[place] as number);
    expect(found.at(-1)).toBeLessThan(1e-38);
    expect(found.at(-1)).toBeGreaterThan(0);
  });

  test('approximates large samples as it counts small ones', () => {
    const first = Array.from({ length: 20 }, (_, index) => index * 3);
    const second = Array.from({ length: 20 }, (_, index) => index * 3 + 8);
    const counted = rankTest(first, second);
    const doubled = rankTest([...first, 1000], [...second, 1001]);
    expect(Math.abs(counted - doubled)).toBeLessThan(0.02);
  });

  test('alarms as often as it says when nothing changed', () => {
    const random = new Random(3);
    let alarms = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const draw = () => Array.from({ length: 8 }, () => random.integer(0, 20));
      if (rankTest(draw(), draw()) <= 0.05) alarms++;
    }
    expect(alarms / 2000).toBeLessThan(0.06);
    expect(alarms / 2000).toBeGreaterThan(0.03);
  });
});

describe('bootstrapDifference', () => {
  test('is the same for the same seed and holds the difference', () => {
    const [first, second] = [
      [1, 2, 3, 4],
      [11, 12, 13, 14],
    ];
    const { difference, interval } = bootstrapDifference(first, second, new Random(1));
    expect(difference).toBe(10);
    expect(interval[0]).toBeGreaterThan(7);
    expect(interval[1]).toBeLessThan(13);
    expect(bootstrapDifference(first, second, new Random(1))).toEqual({ difference, interval });
  });

  test('of constant samples is a point', () => {
    expect(bootstrapDifference([1, 1], [1, 1], new Random(1))).toEqual({ difference: 0, interval: [0, 0] });
  });
});
