import { describe, expect, test } from 'vitest';
import { normalTail, studentQuantile } from './distributions.ts';

describe('the normal tail', () => {
  // Abramowitz and Stegun, table 26.2, and the expansion 26.2.12 for the farthest.
  test.each([
    [-2, 0.977249868051821],
    [0, 0.5],
    [1.959963984540054, 0.025],
    [3.09, 1.00078247661401e-3],
    [6, 9.86587645037698e-10],
    [10, 7.61985302416053e-24],
    [20, 2.75362411860623e-89],
    [30, 4.90671392714819e-198],
  ])('beyond %d is %d', (z, tail) => {
    expect(Math.abs(normalTail(z) / tail - 1)).toBeLessThan(1e-11);
  });

  test('falls all the way, and ends in nothing rather than in an error', () => {
    for (let z = -40; z < 37; z += 0.5) expect(normalTail(z + 0.5)).toBeLessThanOrEqual(normalTail(z));
    for (let z = 0; z < 37; z += 0.5) expect(normalTail(z + 0.5)).toBeLessThan(normalTail(z));
    expect(normalTail(40)).toBe(0);
    expect(normalTail(Number.POSITIVE_INFINITY)).toBe(0);
  });
});

describe("Student's t", () => {
  // Abramowitz and Stegun, table 26.10.
  test.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [5, 2.571],
    [30, 2.042],
    [120, 1.98],
  ])('with %d degrees of freedom lies below %d in 975 of 1,000', (free, quantile) => {
    expect(studentQuantile(free, 0.975)).toBeCloseTo(quantile, 3);
  });

  test('with ever more degrees of freedom is the normal distribution', () => {
    expect(studentQuantile(1e6, 0.975)).toBeCloseTo(1.96, 4);
  });
});
