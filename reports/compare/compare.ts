import { mean } from 'simple-statistics';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import type { VerdictName } from '../../harness/analyses/verdict.ts';
import { bootstrapDifference } from '../../harness/statistics/bootstrap.ts';
import { Random } from '../../harness/statistics/random.ts';
import { leastProbability, rankTest } from '../../harness/statistics/rank-test.ts';
import type { Interval } from '../../harness/statistics/statistics.ts';
import { isKnown, type LeftOut, leftOut, leftOutShare, leftOutText, some } from './left-out.ts';
import { FALSE_ALARMS, METRICS, type Metric, type MetricName, MOST_LEFT_OUT } from './thresholds.ts';

export type Change = 'worse' | 'better' | 'same' | 'not enough runs';

/** One metric of one cell in both runs. */
export interface MetricComparison {
  readonly metric: MetricName;
  readonly change: Change;
  /** Means over runs. */
  readonly baseline: number;
  readonly candidate: number;
  readonly difference: number;
  /** 95 % interval of the difference (bootstrap over runs). */
  readonly interval: Interval;
  /** How probable a rise like this is without any change (Mann-Whitney over runs, one-sided). */
  readonly probability: number;
  /** A rise up to this is tolerated. */
  readonly tolerated: number;
}

/** One cell: the same strategy on the same cluster at the same axes, over all its seeds. */
export interface CellComparison {
  readonly key: string;
  readonly strategy: string;
  readonly cluster: string;
  readonly axes: CellDocument['axes'];
  readonly baselineRuns: number;
  readonly candidateRuns: number;
  /** Runs of both sides left out because their verdict is unknown. */
  readonly leftOut: number;
  readonly baselineLeftOut: LeftOut;
  readonly candidateLeftOut: LeftOut;
  readonly metrics: readonly MetricComparison[];
}

export interface Comparison {
  readonly verdict: VerdictName;
  readonly why: readonly string[];
  readonly cells: readonly CellComparison[];
  /** Cells that only the baseline, or only the candidate has. */
  readonly missing: readonly string[];
  readonly added: readonly string[];
  /** Runs a side that would be enough for every cell. */
  readonly runsNeeded: number;
}

const keyOf = ({ strategy, cluster, axes }: CellDocument) =>
  JSON.stringify([strategy, cluster, Object.entries(axes).sort(([a], [b]) => (a < b ? -1 : 1))]);

function byCell(documents: readonly CellDocument[]): Map<string, CellDocument[]> {
  const cells = new Map<string, CellDocument[]>();
  for (const document of documents) {
    const key = keyOf(document);
    const list = cells.get(key);
    if (list === undefined) cells.set(key, [document]);
    else list.push(document);
  }
  return cells;
}

const known = (documents: readonly CellDocument[]) => documents.filter(isKnown);
const valuesOf = (metric: Metric, documents: readonly CellDocument[]) =>
  documents.map((document) => metric.of(document)).filter((value) => value !== undefined);
const tolerance = ({ absolute, relative }: Metric, baseline: number) =>
  Math.max(absolute, relative * Math.abs(baseline));

interface Candidate {
  readonly cell: number;
  readonly name: MetricName;
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Probabilities without any change: of a rise, and of a fall. */
  readonly rise: number;
  readonly fall: number;
}

/**
 * Compares two sets of runs, cell by cell and metric by metric. The unit is the run: clients of one run share its
 * fate and prove nothing by their number. A metric is worse when its rise is larger than tolerated, its bootstrap
 * interval excludes 0 and the rank test holds against the number of all tests made (Holm), so that a comparison
 * of unchanged code alarms less often than `falseAlarms`. Where even complete separation of the runs could not
 * hold against that number, it says 'not enough runs' and nothing else.
 */
export function compareDocuments(
  baseline: readonly CellDocument[],
  candidate: readonly CellDocument[],
  { falseAlarms = FALSE_ALARMS, seed = 1 } = {},
): Comparison {
  const before = byCell(baseline);
  const after = byCell(candidate);
  const keys = [...before.keys()].filter((key) => after.has(key));
  const tests = keys.flatMap((key, cell) =>
    (Object.keys(METRICS) as MetricName[]).flatMap((name): Candidate[] => {
      const old = valuesOf(METRICS[name], known(before.get(key) ?? []));
      const now = valuesOf(METRICS[name], known(after.get(key) ?? []));
      // A cell without any disconnect has no time away: nothing to compare.
      if (old.length === 0 && now.length === 0 && known(before.get(key) ?? []).length > 0) return [];
      return [{ cell, name, before: old, after: now, rise: rankTest(old, now), fall: rankTest(now, old) }];
    }),
  );
  const rises = holm(
    tests.map(({ rise }) => rise),
    falseAlarms,
  );
  const falls = holm(
    tests.map(({ fall }) => fall),
    falseAlarms,
  );
  const random = new Random(seed);
  const compared = tests.map((test, index) =>
    compareMetric(
      test,
      { rose: rises.has(index), fell: falls.has(index) },
      falseAlarms / tests.length,
      random.fork(index),
    ),
  );
  const cells = keys.map((key, cell): CellComparison => {
    const [old = [], now = []] = [before.get(key), after.get(key)];
    const [{ strategy, cluster, axes }] = old as [CellDocument];
    return {
      key,
      strategy,
      cluster,
      axes,
      baselineRuns: known(old).length,
      candidateRuns: known(now).length,
      leftOut: old.length + now.length - known(old).length - known(now).length,
      baselineLeftOut: leftOut(old, now),
      candidateLeftOut: leftOut(now, old),
      metrics: compared.filter((_, index) => tests[index]?.cell === cell),
    };
  });
  const named = (one: Map<string, CellDocument[]>, other: Map<string, unknown>) =>
    [...one].filter(([key]) => !other.has(key)).map(([, [first]]) => first?.id ?? '');
  const missing = named(before, after);
  const runsNeeded = enoughRuns(falseAlarms / Math.max(1, tests.length));
  return { ...judge(cells, missing, runsNeeded), cells, missing, added: named(after, before), runsNeeded };
}

function compareMetric(
  { name, before, after, rise }: Candidate,
  { rose, fell }: { rose: boolean; fell: boolean },
  level: number,
  random: Random,
): MetricComparison {
  const metric = METRICS[name];
  const none = { baseline: Number.NaN, candidate: Number.NaN, difference: Number.NaN } as const;
  if (before.length === 0 || after.length === 0)
    return {
      metric: name,
      change: 'not enough runs',
      ...none,
      interval: [Number.NaN, Number.NaN],
      probability: 1,
      tolerated: 0,
    };
  const { difference, interval } = bootstrapDifference(before, after, random);
  const baseline = mean(before);
  const tolerated = tolerance(metric, baseline);
  const enough = leastProbability(before.length, after.length) <= level;
  const change: Change = !enough
    ? 'not enough runs'
    : rose && difference > tolerated && interval[0] > 0
      ? 'worse'
      : fell && -difference > tolerated && interval[1] < 0
        ? 'better'
        : 'same';
  return {
    metric: name,
    change,
    baseline,
    candidate: baseline + difference,
    difference,
    interval,
    probability: rise,
    tolerated,
  };
}

/** Which of the hypotheses fall at this level for all of them together (S. Holm, Scandinavian Journal of Statistics 6 (1979)). */
export function holm(probabilities: readonly number[], level: number): Set<number> {
  const order = probabilities
    .map((probability, index) => ({ probability, index }))
    .sort((a, b) => a.probability - b.probability);
  const rejected = new Set<number>();
  for (const [place, { probability, index }] of order.entries()) {
    if (probability > level / (probabilities.length - place)) break;
    rejected.add(index);
  }
  return rejected;
}

/** The fewest runs a side whose complete separation would hold at this level. */
export function enoughRuns(level: number): number {
  let runs = 1;
  while (leastProbability(runs, runs) > level) runs++;
  return runs;
}

function judge(cells: readonly CellComparison[], missing: readonly string[], runsNeeded: number) {
  const all = cells.flatMap(({ metrics }) => metrics);
  const of = (change: Change) => all.filter((metric) => metric.change === change).length;
  const why: string[] = [];
  if (of('worse') > 0) why.push(`${of('worse')} of ${all.length} comparisons are worse than tolerated`);
  if (of('not enough runs') > 0)
    why.push(
      `${of('not enough runs')} of ${all.length} comparisons have not enough runs: ${runsNeeded} a side would do (--repeat ${runsNeeded})`,
    );
  if (missing.length > 0)
    why.push(`the candidate lacks ${missing.length} cells of the baseline: ${missing.join(', ')}`);
  if (cells.length === 0) why.push('the runs have no cell in common');
  const sparse = cells.filter(isSparse);
  if (sparse.length > 0)
    why.push(
      `of ${sparse.length === 1 ? 'a cell' : `${sparse.length} cells`} ${100 * MOST_LEFT_OUT} % of the runs or more are left out: ${some([...new Set(sparse.map(({ strategy, cluster }) => `${strategy} on ${cluster}`))])}`,
    );
  const verdict: VerdictName = of('worse') > 0 ? 'fail' : why.length > 0 ? 'unknown' : 'pass';
  if (verdict === 'pass')
    why.push(
      `none of ${all.length} comparisons is worse than tolerated${of('better') > 0 ? `, ${of('better')} are better` : ''}`,
    );
  // How much is left out is said in any case, for what is left decides.
  for (const text of [
    leftOutText(
      'baseline',
      cells.map(({ baselineLeftOut }) => baselineLeftOut),
    ),
    leftOutText(
      'candidate',
      cells.map(({ candidateLeftOut }) => candidateLeftOut),
    ),
  ])
    if (text !== undefined) why.push(text);
  return { verdict, why };
}

/** Too much is left out: of the baseline what is unknown, of the candidate also what the baseline has more. */
const isSparse = ({ baselineLeftOut, candidateLeftOut }: CellComparison): boolean =>
  leftOutShare({ ...baselineLeftOut, of: baselineLeftOut.of - baselineLeftOut.lacking, lacking: 0 }) >=
    MOST_LEFT_OUT || leftOutShare(candidateLeftOut) >= MOST_LEFT_OUT;
