import { mean } from 'simple-statistics';
import { expect, test } from 'vitest';
import { isAged } from '../contracts/connection.ts';
import { AGED, connectionAge, GOING_AWAY } from './age.ts';

const MINUTE = 60_000;
const ages = (settled: boolean) =>
  Array.from({ length: 2000 }, (_, nth) => connectionAge(10 * MINUTE, 'pod-1', nth, settled));

test('each connection has an age of its own, within a tenth of the maximum, evenly spread', () => {
  const drawn = ages(false);
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(9 * MINUTE);
  expect(Math.max(...drawn)).toBeLessThanOrEqual(11 * MINUTE);
  expect(mean(drawn) / MINUTE).toBeCloseTo(10, 1);
  expect(new Set(drawn).size).toBeGreaterThan(1900);
});

test('of a connection that was there long before, any part of the age is left', () => {
  const drawn = ages(true);
  expect(Math.min(...drawn)).toBeLessThan(MINUTE / 10);
  expect(mean(drawn) / MINUTE).toBeGreaterThan(4.7);
  expect(mean(drawn) / MINUTE).toBeLessThan(5.3);
});

test('the same connection of the same pod draws the same age, another pod another', () => {
  expect(connectionAge(MINUTE, 'pod-1', 3)).toBe(connectionAge(MINUTE, 'pod-1', 3));
  expect(connectionAge(MINUTE, 'pod-2', 3)).not.toBe(connectionAge(MINUTE, 'pod-1', 3));
});

test('its close frame is known for what it is', () => {
  expect(isAged({ how: 'close', code: GOING_AWAY, reason: AGED })).toBe(true);
  expect(isAged({ how: 'close', code: GOING_AWAY, reason: 'service restart' })).toBe(false);
  expect(isAged({ how: 'silence' })).toBe(false);
});
