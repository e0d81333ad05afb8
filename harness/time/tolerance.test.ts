import { expect, test } from 'vitest';
import { tolerated } from './tolerance.ts';

const tolerance = { model: 3000, real: 1000 };

test('time that passes 36 times as fast tolerates 36 times the real delay', () => {
  expect(tolerated(tolerance, 36)).toBe(36_000);
});

test("no less than the model's own delay is tolerated", () => {
  expect(tolerated(tolerance, 1)).toBe(3000);
});

test.each([null, Number.POSITIVE_INFINITY])('a virtual clock (%s) knows no real delay', (speed) => {
  expect(tolerated(tolerance, speed)).toBe(3000);
});
