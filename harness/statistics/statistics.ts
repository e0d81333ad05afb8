import { quantileSorted } from 'simple-statistics';
import { studentQuantile } from './distributions.ts';

/** A lower and an upper bound, both included. */
export type Interval = readonly [low: number, high: number];

/** The 97.5 % quantile of the standard normal distribution: two-sided 95 %. */
const Z95 = 1.959963984540054;

/**
 * The Wilson score interval (95 %) of a share: unlike the textbook interval it stays inside [0, 1] and is right
 * for 0 and for all, which is where releases are. Written out because no library here has an interval of a
 * proportion. Without any trial nothing is known: [0, 1]. Source: E. B. Wilson, JASA 22 (1927).
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  if (trials <= 0) return [0, 1];
  const share = successes / trials;
  const square = Z95 * Z95;
  const centre = share + square / (2 * trials);
  const half = Z95 * Math.sqrt((share * (1 - share)) / trials + square / (4 * trials * trials));
  const scale = 1 + square / trials;
  // At the ends the exact bound is the end itself, which rounding would miss by 1e-17.
  return [successes <= 0 ? 0 : (centre - half) / scale, successes >= trials ? 1 : (centre + half) / scale];
}

/** A number of clients out of all clients. */
export interface Share {
  readonly successes: number;
  readonly trials: number;
}

/**
 * The 95 % interval of the difference of two shares, first minus second: Newcombe's hybrid score interval, which
 * is built from both Wilson intervals and therefore also right near 0 and 1 (Newcombe, Statistics in Medicine 17
 * (1998), method 10).
 */
export function differenceInterval(first: Share, second: Share): Interval {
  const [low1, high1] = wilsonInterval(first.successes, first.trials);
  const [low2, high2] = wilsonInterval(second.successes, second.trials);
  const share1 = first.trials > 0 ? first.successes / first.trials : 0.5;
  const share2 = second.trials > 0 ? second.successes / second.trials : 0.5;
  const difference = share1 - share2;
  return [
    Math.max(-1, difference - Math.hypot(share1 - low1, high2 - share2)),
    Math.min(1, difference + Math.hypot(high1 - share1, share2 - low2)),
  ];
}

/**
 * Whether two measured shares can be the same: the 95 % interval of their difference contains 0. Both are
 * samples, so neither is compared with the other's interval as if the other were exact.
 */
export function sharesAgree(first: Share, second: Share): boolean {
  const [low, high] = differenceInterval(first, second);
  return low <= 0 && high >= 0;
}

/**
 * Whether a measured share can be one more of those that several seeds of a prediction gave. Where these vary more
 * between seeds than chance alone would let each client's fate vary, the measured one may do so as well: all count as
 * samples of as many fewer clients (quasi-binomial dispersion; McCullagh and Nelder, Generalized Linear Models, 4.5).
 */
export function agreesWithSeeds(measured: Share, seeds: readonly Share[]): boolean {
  const successes = seeds.reduce((sum, seed) => sum + seed.successes, 0);
  const trials = seeds.reduce((sum, seed) => sum + seed.trials, 0);
  const widening = dispersion(seeds, successes / trials);
  const fewer = (share: Share): Share => ({
    successes: share.successes / widening,
    trials: share.trials / widening,
  });
  return sharesAgree(fewer(measured), fewer({ successes, trials }));
}

/** The variance of shares around their mean in that of independent trials, at least 1, and its own uncertainty added. */
function dispersion(shares: readonly Share[], mean: number): number {
  const free = shares.length - 1;
  if (free < 1 || mean <= 0 || mean >= 1) return 1;
  const squares = shares.map(({ successes, trials }) => (successes - trials * mean) ** 2 / trials);
  const found = squares.reduce((sum, square) => sum + square, 0) / (mean * (1 - mean)) / free;
  return found <= 1 ? 1 : found * (studentQuantile(free, 0.975) / Z95) ** 2;
}

/** The quantiles that the report shows of every distribution. */
export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** The quantiles of `values` in any order, interpolated and rounded; null when there are none. */
export function quantiles(values: ArrayLike<number>): Quantiles | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => Math.round(quantileSorted(sorted as unknown as number[], share));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted[sorted.length - 1] as number };
}
