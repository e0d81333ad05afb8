import { expect, test } from 'vitest';
import { DnsRecord } from './dns-record.ts';

test('after a change clients follow evenly within one TTL, none later', () => {
  const record = new DnsRecord(60_000, 'blue');
  record.change('green', 100_000);
  const following = (now: number) =>
    Array.from({ length: 1000 }, (_, number) => record.answer(`c${number}`, now)).filter(
      (name) => name === 'green',
    ).length;
  expect(following(99_999)).toBe(0);
  expect(following(130_000)).toBeGreaterThan(430);
  expect(following(130_000)).toBeLessThan(570);
  expect(following(160_000)).toBe(1000);
});

test('a client that was told of the change does not forget it, and one change back is followed too', () => {
  const record = new DnsRecord(10_000, 'blue');
  record.change('green', 50_000);
  record.change('blue', 100_000);
  for (let now = 60_000; now < 100_000; now += 500) expect(record.answer('c1', now)).toBe('green');
  expect(record.answer('c1', 110_000)).toBe('blue');
});

test('with a TTL of zero everybody follows at once', () => {
  const record = new DnsRecord(0, 'blue');
  record.change('green', 7);
  expect(record.answer('c5', 6)).toBe('blue');
  expect(record.answer('c5', 7)).toBe('green');
});
