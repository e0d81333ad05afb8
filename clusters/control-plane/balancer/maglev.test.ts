import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAGLEV_SIZE, maglev } from './maglev.ts';

const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,20}$/), { minLength: 1, maxLength: 20 });
const SMALL = 2039;

const shares = (table: Uint16Array, count: number) => {
  const slots = new Array<number>(count).fill(0);
  for (const choice of table) slots[choice] = (slots[choice] as number) + 1;
  return slots;
};

describe('maglev', () => {
  it('gives every name the same share, give or take one slot', () => {
    fc.assert(
      fc.property(names, (nodes) => {
        const slots = shares(maglev(nodes, SMALL), nodes.length);
        expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1);
        expect(slots.reduce((sum, share) => sum + share, 0)).toBe(SMALL);
      }),
    );
  });

  it('moves few slots that were not of the name that is taken away', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,20}$/), { minLength: 2, maxLength: 20 }),
        fc.nat(),
        (nodes, pick) => {
          const gone = pick % nodes.length;
          const left = nodes.filter((_, index) => index !== gone);
          const before = maglev(nodes, SMALL);
          const after = maglev(left, SMALL);
          let moved = 0;
          for (let slot = 0; slot < SMALL; slot++)
            if (before[slot] !== gone && nodes[before[slot] as number] !== left[after[slot] as number])
              moved++;
          // A plain `hash mod N` would move (N - 1) / N of them; the paper measures a few per cent (figure 9).
          expect(moved / SMALL).toBeLessThan(0.25);
        },
      ),
    );
  });

  it('does not care in which order the names come', () => {
    fc.assert(
      fc.property(names, (nodes) => {
        const reversed = [...nodes].reverse();
        const [left, right] = [maglev(nodes, SMALL), maglev(reversed, SMALL)];
        for (let slot = 0; slot < SMALL; slot += 17)
          expect(nodes[left[slot] as number]).toBe(reversed[right[slot] as number]);
      }),
    );
  });

  it('is empty when there is no name', () => {
    expect(maglev([])).toHaveLength(0);
  });

  it('has a prime number of slots, as the permutations need', () => {
    const divisors = Array.from({ length: Math.ceil(Math.sqrt(MAGLEV_SIZE)) - 1 }, (_, index) => index + 2);
    expect(divisors.filter((divisor) => MAGLEV_SIZE % divisor === 0)).toEqual([]);
  });
});
