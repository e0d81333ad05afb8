import { normalTail } from './distributions.ts';

/**
 * Additions that counting may cost, a few milliseconds: enough for 20 values a side wherever they lie, and for many
 * more where one sample lies nearly all above the other. What costs more is approximated.
 */
const MOST_ADDITIONS = 1_000_000;

/** Twice the midrank of each value among all, so that tied ranks stay whole. */
function doubledRanks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Array<number>(values.length);
  for (let begin = 0; begin < order.length; ) {
    let end = begin;
    while (end < order.length && values[order[end] as number] === values[order[begin] as number]) end++;
    for (let place = begin; place < end; place++) ranks[order[place] as number] = begin + 1 + end;
    begin = end;
  }
  return ranks;
}

/**
 * The one-sided probability of the Mann-Whitney rank test (Annals of Mathematical Statistics 18 (1947)): how often
 * the second sample would rank as high as it does, or higher, if both came from one distribution. Counted over
 * all divisions of the pooled midranks, so ties, which are the rule where shares are 0 or 1, do not spoil it; by
 * the normal approximation with tie correction where there are too many to count. Written out because no library
 * here gives more than the rank sum. 1 where a sample is empty.
 */
export function rankTest(first: readonly number[], second: readonly number[]): number {
  if (first.length === 0 || second.length === 0) return 1;
  const ranks = doubledRanks([...first, ...second]);
  const size = second.length;
  const sum = ranks.slice(first.length).reduce((total, rank) => total + rank, 0);
  const descending = ranks.sort((a, b) => b - a);
  const short = descending.slice(0, size).reduce((total, rank) => total + rank, 0) - sum;
  const additions = descending.length * size * (short + 1);
  return additions <= MOST_ADDITIONS
    ? countedTail(descending, size, short)
    : approximateTail(descending, size, sum);
}

/** The smallest probability that samples of these sizes can reach: every value of one above every one of the other. */
export function leastProbability(first: number, second: number): number {
  let divisions = 1;
  for (let factor = 1; factor <= Math.min(first, second); factor++)
    divisions = (divisions * (Math.max(first, second) + factor)) / factor;
  return 1 / divisions;
}

/**
 * The share of all choices of `size` ranks whose sum is short of the greatest by at most `most`. The n-th rank taken
 * adds to the shortage what it lies below the n-th greatest, so that nothing beyond `most` need be counted.
 */
function countedTail(descending: readonly number[], size: number, most: number): number {
  const width = most + 1;
  // ways[taken * width + short]: in how many ways that many ranks are short by that much.
  const ways = new Float64Array((size + 1) * width);
  ways[0] = 1;
  for (const [place, rank] of descending.entries())
    for (let taken = Math.min(place, size - 1); taken >= 0; taken--) {
      const below = (descending[taken] as number) - rank;
      const [from, to] = [taken * width, (taken + 1) * width + below];
      for (let short = most - below; short >= 0; short--)
        ways[to + short] = (ways[to + short] as number) + (ways[from + short] as number);
    }
  let tail = 0;
  for (let short = 0; short <= most; short++) tail += ways[size * width + short] as number;
  return Math.min(1, tail * leastProbability(descending.length - size, size));
}

function approximateTail(ranks: readonly number[], size: number, sum: number): number {
  const count = ranks.length;
  const other = count - size;
  const mean = (size * (count + 1)) / 2;
  const average = (count + 1) / 2;
  // The variance of the rank sum from the midranks themselves, which holds with and without ties.
  const spread = ranks.reduce((total, rank) => total + (rank / 2 - average) ** 2, 0) / count;
  const variance = (size * other * spread) / (count - 1);
  if (variance === 0) return 1;
  const distance = (sum / 2 - mean - 0.5) / Math.sqrt(variance);
  return normalTail(distance);
}
