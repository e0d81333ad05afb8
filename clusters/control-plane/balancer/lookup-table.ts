import type { BalancerEntry } from '../../../harness/platforms/balancer-entry.ts';
import { hash32 } from '../../../harness/statistics/random.ts';
import { maglev } from './maglev.ts';

/**
 * Slots of plain ECMP: many times any number of next hops, so that a slot modulo that number is one of them evenly
 * however a slot is taken from a hash (nftables' `mod` scales instead of dividing).
 */
const SLOTS = 5040;

/** Buckets of a resilient next-hop group: divisible by many numbers of next hops, and more than any of them. */
export const BUCKETS = 840;

/** Who shares the flows out, and how they were shared out before. */
interface Sharing {
  /** The backends that take new flows; their order does not matter. */
  readonly names: readonly string[];
  /** The virtual address. */
  readonly address: string;
  /** Names by slot of the table in force; empty where there is none. */
  readonly before: readonly string[];
}

/** A lookup table of the kind that a balancer hashes into: slot -> index into `names`; empty without any name. */
export function lookupTable(hash: BalancerEntry['hash'], sharing: Sharing): Uint16Array {
  const { names, address, before } = sharing;
  if (names.length === 0) return new Uint16Array(0);
  const ordered = [...names.keys()].sort((one, other) =>
    compare(names[one] as string, names[other] as string),
  );
  switch (hash) {
    case 'maglev':
      return maglev(names);
    case 'modulo':
      return Uint16Array.from({ length: SLOTS }, (_, slot) => ordered[slot % ordered.length] as number);
    case 'leader': {
      // Every speaker sorts by a hash of node and address, and the first one answers (MetalLB, layer2_controller.go).
      const rank = (index: number) => hash32(`${names[index]}#${address}`);
      return Uint16Array.of(ordered.reduce((first, index) => (rank(index) < rank(first) ? index : first)));
    }
    case 'resilient':
      return resilient(names, ordered, before);
  }
}

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

/** Buckets stay with who has them; those of who left go to who has fewest, and who has too many gives some up. */
function resilient(
  names: readonly string[],
  ordered: readonly number[],
  before: readonly string[],
): Uint16Array {
  const places = new Map(names.map((name, index) => [name, index]));
  const buckets = Array.from({ length: BUCKETS }, (_, bucket) => places.get(before[bucket] ?? ''));
  const counts = new Map(ordered.map((index) => [index, buckets.filter((held) => held === index).length]));
  const fair = Math.ceil(BUCKETS / names.length);
  // Scattered, so that what a newcomer gets is taken evenly from the others.
  for (let step = 0; step < BUCKETS; step++) {
    const bucket = (step * 11) % BUCKETS;
    const held = buckets[bucket];
    const most = held === undefined ? 0 : (counts.get(held) ?? 0);
    if (held !== undefined && most <= fair) continue;
    const fewest = ordered.reduce((least, index) =>
      (counts.get(index) ?? 0) < (counts.get(least) ?? 0) ? index : least,
    );
    if (held !== undefined) counts.set(held, most - 1);
    counts.set(fewest, (counts.get(fewest) ?? 0) + 1);
    buckets[bucket] = fewest;
  }
  return Uint16Array.from(buckets as number[]);
}
