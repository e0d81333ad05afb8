import { expect, test } from 'vitest';
import { bootRange, bootTime } from './boot.ts';

test('a range is one number or two that rise, and nothing else', () => {
  expect(bootRange('0')).toEqual({ least: 0, most: 0 });
  expect(bootRange('5000-15000')).toEqual({ least: 5000, most: 15_000 });
  for (const text of ['', '-', '5-', '-5', '9-5', '1-2-3', 'soon', 'Infinity'])
    expect(bootRange(text)).toBeUndefined();
});

test('pods draw evenly from the range by their names, and each the same every time', () => {
  const range = { least: 5000, most: 15_000 };
  const names = Array.from({ length: 2000 }, (_, index) => `gateway-v1-5d4f8c-${index}`);
  const times = names.map((name) => bootTime(range, name));
  expect(times).toEqual(names.map((name) => bootTime(range, name)));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(5000);
  expect(Math.max(...times)).toBeLessThanOrEqual(15_000);
  for (const quarter of [0, 1, 2, 3]) {
    const inside = times.filter(
      (time) => time >= 5000 + quarter * 2500 && time < 7500 + quarter * 2500,
    ).length;
    expect(inside / times.length).toBeCloseTo(0.25, 1);
  }
});
