import { cumulativeStdNormalProbability } from 'simple-statistics';

/** Above this many values in both samples together, the normal approximation is as good as counting. */
const EXACT_UP_TO = 40;

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
 * the normal approximation with tie correction beyond 40 values. Written out because simple-statistics gives only
 * the rank sum. 1 where a sample is empty.
 */
export function rankTest(first: readonly number[], second: readonly number[]): number {
  if (first.length === 0 || second.length === 0) return 1;
  const ranks = doubledRanks([...first, ...second]);
  const sum = ranks.slice(first.length).reduce((total, rank) => total + rank, 0);
  return ranks.length <= EXACT_UP_TO
    ? exactTail(ranks, second.length, sum)
    : approximateTail(ranks, second.length, sum);
}

/** The smallest probability that samples of these sizes can reach: every value of one above every one of the other. */
export function leastProbability(first: number, second: number): number {
  let divisions = 1;
  for (let factor = 1; factor <= Math.min(first, second); factor++)
    divisions = (divisions * (Math.max(first, second) + factor)) / factor;
  return 1 / divisions;
}

/** The share of all choices of `size` ranks whose sum is at least `least`. */
function exactTail(ranks: readonly number[], size: number, least: number): number {
  const most = ranks.reduce((total, rank) => total + rank, 0);
  const width = most + 1;
  // ways[taken * width + sum]: in how many ways that many ranks make that sum. Up to 40 choose 20: exact in a double.
  const ways = new Float64Array((size + 1) * width);
  ways[0] = 1;
  for (const rank of ranks)
    for (let taken = size - 1; taken >= 0; taken--)
      for (let sum = most - rank; sum >= 0; sum--) {
        const count = ways[taken * width + sum] as number;
        if (count > 0)
          ways[(taken + 1) * width + sum + rank] = (ways[(taken + 1) * width + sum + rank] as number) + count;
      }
  let all = 0;
  let tail = 0;
  for (let sum = 0; sum <= most; sum++) {
    const count = ways[size * width + sum] as number;
    all += count;
    if (sum >= least) tail += count;
  }
  return tail / all;
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
  return 1 - cumulativeStdNormalProbability(distance);
}
