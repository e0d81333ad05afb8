import { compiled, erfc, stdtri } from 'cephes';

// The library is WebAssembly, which is made ready once.
await compiled;

/** Farther out the library throws for want of a number small enough: the tail is below 1e-306. */
const FARTHEST = 37.5;

/**
 * How probable a standard normal value above `z` is, to 12 digits as far out as a number reaches (z = 37.5) and 0
 * beyond. The complement of a cumulative probability would be 0 from z = 8.3 on.
 */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  return z > FARTHEST ? 0 : erfc(z / Math.SQRT2) / 2;
}

/** The value below which Student's t with `free` degrees of freedom (1 or more) lies with this probability. */
export const studentQuantile = (free: number, probability: number): number => stdtri(free, probability);
