import { hash32 } from '../../../harness/statistics/random.ts';

/**
 * Slots of a lookup table: the smallest prime above 100 x the most nodes a cell can have (100), because the
 * Maglev paper (NSDI'16, 3.4) keeps the shares of backends within 1 % of each other with M > 100 x N.
 * Larger tables (the paper's 65537) would gain nothing here and cost six times the work on every change.
 */
export const MAGLEV_SIZE = 10_007;

/**
 * Maglev's lookup table: slot -> index into `names`; each name's share differs from another's by at most one
 * slot, and taking a name away moves few slots that were not its own. The order of `names` does not matter,
 * only which names there are. Empty when there is no name. `size` must be a prime (source: Maglev paper 3.4).
 */
export function maglev(names: readonly string[], size: number = MAGLEV_SIZE): Uint16Array {
  if (names.length === 0) return new Uint16Array(0);
  // Turns are taken in the order of the names, so that every machine of a Maglev tier builds the same table.
  const order = names.map((_, index) => index);
  order.sort((left, right) => compare(names[left] as string, names[right] as string));
  const next = order.map((index) => hash32(names[index] as string, OFFSET_SEED) % size);
  const skip = order.map((index) => (hash32(names[index] as string, SKIP_SEED) % (size - 1)) + 1);
  const table = new Uint16Array(size).fill(FREE);
  for (let filled = 0; ; ) {
    for (let turn = 0; turn < order.length; turn++) {
      let slot = next[turn] as number;
      while (table[slot] !== FREE) slot = (slot + (skip[turn] as number)) % size;
      table[slot] = order[turn] as number;
      next[turn] = (slot + (skip[turn] as number)) % size;
      if (++filled === size) return table;
    }
  }
}

const FREE = 0xffff;
const OFFSET_SEED = 0x811c9dc5;
const SKIP_SEED = 0x2545f491;

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0);
