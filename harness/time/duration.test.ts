import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

test('durations are read as people write them', () => {
  const table = {
    '30s': 30_000,
    '5m': 300_000,
    '1m30s': 90_000,
    '250ms': 250,
    '1.5h': 5_400_000,
    '0': 0,
    ' 2m ': 120_000,
  };
  for (const [text, millis] of Object.entries(table)) expect(parseDuration(text)).toBe(millis);
});

test('what is no duration is refused with an example of one', () => {
  for (const text of ['', '5', '5 minutes', 'm', '-5s', '5d', '1e3s'])
    expect(() => parseDuration(text)).toThrow(/30s/);
});

test('whole seconds survive being written and read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), (seconds) => {
      expect(parseDuration(formatDuration(seconds * 1000))).toBe(seconds * 1000);
    }),
  );
});
