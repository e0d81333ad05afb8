import { expect, test } from 'vitest';
import type { BalancerEntry } from '../../../harness/platforms/balancer-entry.ts';
import { BUCKETS, lookupTable } from './lookup-table.ts';

const NAMES = Array.from({ length: 7 }, (_, index) => `node-${index + 1}`);
const ADDRESS = '172.18.255.200';

/** The names by slot of a table, after another. */
const shared = (hash: BalancerEntry['hash'], names: readonly string[], before: readonly string[] = []) =>
  Array.from(lookupTable(hash, { names, address: ADDRESS, before }), (index) => names[index] as string);

/** The share of hashes that find another name than before. */
function moved(hash: BalancerEntry['hash'], from: readonly string[], to: readonly string[]): number {
  const before = shared(hash, from);
  const after = shared(hash, to, before);
  const hashes = 10_007 * 5040;
  const step = 7919;
  let different = 0;
  for (let value = 0; value < hashes; value += step)
    if (before[value % before.length] !== after[value % after.length]) different++;
  return different / Math.ceil(hashes / step);
}

test.each([2, 3, 6])(
  'of %i next hops one leaves: plain ECMP moves 1 - 1/N, resilient ECMP and Maglev little more than 1/N',
  (count) => {
    const from = NAMES.slice(0, count);
    const to = from.slice(0, -1);
    expect(moved('modulo', from, to)).toBeCloseTo(1 - 1 / count, 1);
    expect(moved('resilient', from, to)).toBeCloseTo(1 / count, 1);
    expect(moved('maglev', from, to)).toBeGreaterThan(0.9 / count);
    expect(moved('maglev', from, to)).toBeLessThan(1.35 / count);
  },
);

test('a next hop that comes takes an even share, and no other flow moves among those that were there', () => {
  const before = shared('resilient', NAMES.slice(0, 6));
  const after = shared('resilient', NAMES, before);
  expect(after.filter((name) => name === 'node-7')).toHaveLength(BUCKETS / 7);
  for (const [slot, name] of after.entries()) if (name !== 'node-7') expect(name).toBe(before[slot]);
});

test('a leader takes everything, stays when others leave, and another takes over when it leaves', () => {
  const [leader = ''] = shared('leader', NAMES);
  const others = NAMES.filter((name) => name !== leader);
  expect(new Set(shared('leader', [leader, ...others.slice(2)]))).toEqual(new Set([leader]));
  expect(shared('leader', others)).not.toContain(leader);
  expect(shared('leader', [...NAMES].reverse())).toEqual([leader]);
});

test.each(['maglev', 'modulo', 'resilient', 'leader'] as const)(
  '%s has no slot without a name, and any slot names somebody with one',
  (hash) => {
    expect(shared(hash, [])).toEqual([]);
    expect(new Set(shared(hash, ['node-1']))).toEqual(new Set(['node-1']));
  },
);
