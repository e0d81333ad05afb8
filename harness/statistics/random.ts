/**
 * Seeded integer randomness that is passed in and forked by label, so that adding a consumer never shifts
 * what the others draw. The generator is sfc32, seeded through a 32-bit string hash of seed and labels.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;
  private readonly path: string;

  /** `seed` is any text or integer; the same seed draws the same numbers on every machine. */
  constructor(seed: string | number) {
    this.path = String(seed);
    this.a = hash32(this.path, 0x9e3779b9);
    this.b = hash32(this.path, 0x85ebca6b);
    this.c = hash32(this.path, 0xc2b2ae35);
    for (let warmup = 0; warmup < 12; warmup++) this.uint32();
  }

  /** A generator of its own for `label`, independent of what this one has drawn so far. */
  fork(label: string | number): Random {
    return new Random(`${this.path}/${label}`);
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum;
    this.c |= 0;
    return sum >>> 0;
  }

  /** An integer in [low, high), both integers. */
  integer(low: number, high: number): number {
    return low + Math.floor((this.uint32() / 0x1_0000_0000) * (high - low));
  }

  /** True with the probability `numerator / denominator`. */
  chance(numerator: number, denominator: number): boolean {
    return this.integer(0, denominator) < numerator;
  }

  /** One of `items`, each equally likely. @throws RangeError when there is none. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length)];
    if (item === undefined) throw new RangeError('pick: nothing to pick from');
    return item;
  }

  /** `items` in a random order, as a new array (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.integer(0, last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
    }
    return shuffled;
  }
}

/** A 32-bit hash of `text` (FNV-1a with murmur3's finaliser), for tables and seeds, not for security. */
export function hash32(text: string, basis = 0x811c9dc5): number {
  let hash = basis;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mix32(hash);
}

/** Scrambles a 32-bit integer so that each bit of the input moves each bit of the output (murmur3 fmix32). */
export function mix32(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
