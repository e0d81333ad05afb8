import { expect, test } from 'vitest';
import { AXES, defaultAxes } from './axes.ts';

test.each([
  ['podCpu', '0.5', 0.5],
  ['podCpu', '500m', 0.5],
  ['podCpu', 'unlimited', undefined],
  ['podMemory', '256Mi', 268_435_456],
  ['podMemory', 'unlimited', undefined],
  ['connectionMemory', '12Ki', 12_288],
  ['connectTimeout', '4s', 4000],
  ['connectTimeout', 'firefox', 20_000],
  ['connectTimeout', 'ws', 127_000],
  ['admission', '40', 40],
  ['admission', 'unlimited', undefined],
] as const)('--%s %s is read as %s and shown as it would be typed', (name, text, value) => {
  const { schema, show } = AXES[name];
  const read = schema.parse(text);
  expect(read).toBe(value);
  expect(schema.parse(show(read))).toBe(value);
});

test.each([
  ['podCpu', '0'],
  ['podCpu', '2k'],
  ['podMemory', '256'],
  ['podMemory', '256MB'],
  ['connectionMemory', 'unlimited'],
  ['admission', '-1'],
  ['connectTimeout', 'netscape'],
  ['connectTimeout', '0s'],
] as const)('--%s %s is refused', (name, text) => {
  expect(AXES[name].schema.safeParse(text).success).toBe(false);
});

test('nothing limits a pod unless one says so', () => {
  const { podCpu, podMemory, admission } = defaultAxes();
  expect([podCpu, podMemory, admission]).toEqual([undefined, undefined, undefined]);
});
