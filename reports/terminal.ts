import type { Advice } from '../harness/analyses/ranking/recommendation.ts';
import { warningLine } from '../harness/analyses/warnings.ts';
import { adviceOf } from './result/advice.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { capacityLines } from './words/capacity-words.ts';
import { oneLine } from './words/plain-text.js';
import {
  recommendedLines,
  showValue,
  situation,
  toldCases,
  toldCriteria,
  tradeLine,
} from './words/ranking-words.ts';
import {
  answeringCells,
  assumed,
  count,
  droppedInterval,
  droppedShare,
  percent,
  rate,
  showAxis,
  skippedCells,
  time,
  unplayedLines,
  varyingAxes,
  warningsOf,
} from './words/words.ts';

/** The table that ends a run on a terminal: one line a cell, then why cells did not pass and what was skipped. */
export function resultTable(run: StoredRun): string {
  const cells = answeringCells(run);
  // Axes in which only the strategies' own defaults differ would make the table too wide to read.
  const strategies = [...new Set(cells.map(({ header }) => header.strategy))].map((strategy) =>
    varyingAxes(cells.filter(({ header }) => header.strategy === strategy)),
  );
  const axes = varyingAxes(cells).filter(
    (name) => name !== 'policy' && strategies.some((own) => own.includes(name)),
  );
  const predicted = cells.some(({ result }) => result.document.predicted !== undefined);
  const several = new Set(cells.map(({ header }) => header.cluster)).size > 1;
  const seeds = new Set(cells.map(({ header }) => header.seed)).size > 1;
  const head = [
    'strategy',
    ...(several ? ['cluster'] : []),
    'policy',
    ...axes,
    ...(seeds ? ['seed'] : []),
    'dropped',
    '95 % interval',
    'unattributed',
    ...(predicted ? ['predicted'] : []),
    'twice+',
    'on old',
    'peak/s',
    'away p95',
    'verdict',
  ];
  const lines = cells.map(({ header, result: { document } }) => [
    header.strategy,
    ...(several ? [header.cluster] : []),
    header.axes.policy,
    ...axes.map((name) => showAxis(header.axes, name)),
    ...(seeds ? [String(header.seed)] : []),
    droppedShare(document),
    droppedInterval(document),
    count(document.unattributed),
    ...(predicted
      ? [
          document.predicted === undefined
            ? '–'
            : `${percent(document.predicted.droppedShare)} ${document.predicted.agrees ? 'agrees' : 'DISAGREES'}`,
        ]
      : []),
    count(document.droppedTwice),
    count(document.landedOnOld),
    rate(document.peakReconnectsPerSecond),
    time(document.timeAway?.p95),
    document.verdict,
  ]);
  const reasons = cells
    .filter(({ result }) => result.document.verdict !== 'pass')
    .map(
      ({ header, result }) => `${header.id}: ${result.document.verdict}: ${result.document.why.join('; ')}`,
    );
  const unplayed = unplayedLines(run);
  const skipped = skippedCells(run).map(({ header, skipped: why }) => `${header.id}: skipped: ${why}`);
  const warnings = warningsOf(cells).map(warningLine);
  const taken = assumed(cells).map((sentence) => `assumed: ${sentence}`);
  const remarks = [...capacityLines(cells), ...reasons, ...unplayed, ...skipped, ...warnings, ...taken];
  return [
    ...align([head, ...lines]),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
    ...adviceOf(run).flatMap(rankingText),
  ]
    .map(oneLine)
    .join('\n');
}

/** A ranking as a table, then the trade-offs, what it recommends, and who could not be ranked. */
function rankingText(advice: Advice): string[] {
  const { cluster, candidates, recommendation, unknown } = advice;
  const criteria = toldCriteria(candidates);
  const head = ['', 'release', ...criteria.map(({ short }) => short)];
  const lines = candidates.map(({ name, values, dominatedBy }) => [
    dominatedBy.length === 0 ? '*' : '',
    name,
    ...criteria.map((one) => showValue(one, values[one.name].value)),
  ]);
  return [
    '',
    `Ranking on ${cluster}, the worst of all conditions (* not dominated)`,
    ...align([head, ...lines]),
    '',
    ...candidates.map((candidate) => `${candidate.name}: ${tradeLine(candidate, candidates)}`),
    ...unknown.map(({ name, why }) => `${name}: unknown: ${why}`),
    '',
    situation(advice),
    ...toldCases(recommendation).flatMap((each) =>
      recommendedLines(each).map((sentence, index) => `${index === 0 ? '' : '  '}${sentence}.`),
    ),
  ];
}

/** Lines in columns of equal width; those that hold numbers stand to the right. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] as readonly string[]).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  const numeric = widths.map((_, column) =>
    rows.slice(1).every((row) => /^[–<>+\d]|^never$/.test(row[column] as string)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] as number;
        return numeric[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
