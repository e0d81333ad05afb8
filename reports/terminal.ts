import Table from 'cli-table3';
import type { CellDocument } from '../harness/analyses/cell-document.ts';
import type { RunInfo } from '../harness/analyses/run-info.ts';
import type { VerdictName } from '../harness/analyses/verdict.ts';
import { formatDuration } from '../harness/duration.ts';
import { isAnalysed, type StoredRun } from './stored-run.ts';

/** What `--format json` prints: stable and documented in the README. */
export interface ResultDocument {
  readonly run: RunInfo & { readonly verdict: VerdictName };
  readonly cells: readonly CellDocument[];
  readonly skipped: readonly { readonly id: string; readonly cluster: string; readonly why: string }[];
}

/** The cells that were asked for, without the predictions that belong to them. */
const askedFor = (stored: StoredRun): CellDocument[] =>
  stored.cells.flatMap((cell) =>
    isAnalysed(cell) && cell.header.predicts === undefined ? [cell.result.document] : [],
  );

/** One verdict for the run: the worst of its cells; unknown when nothing was played. */
export function runVerdict(stored: StoredRun): VerdictName {
  const verdicts = askedFor(stored).map(({ verdict }) => verdict);
  if (verdicts.includes('fail')) return 'fail';
  return verdicts.length === 0 || verdicts.includes('unknown') ? 'unknown' : 'pass';
}

export function resultDocument(stored: StoredRun): ResultDocument {
  return {
    run: { ...stored.run, verdict: runVerdict(stored) },
    cells: askedFor(stored),
    skipped: stored.cells.flatMap((cell) =>
      isAnalysed(cell) ? [] : [{ id: cell.header.id, cluster: cell.header.cluster, why: cell.skipped }],
    ),
  };
}

const percent = (share: number) => `${(100 * share).toFixed(1)}`;
const BORDERLESS = {
  chars: {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '',
  },
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
};

/** The result table for a terminal: a line a cell, then why each verdict that is not pass came about. */
export function resultTable(stored: StoredRun): string {
  const cells = askedFor(stored);
  const measured = cells.some(({ predicted }) => predicted !== undefined);
  const table = new Table({
    head: [
      'cell',
      'dropped % [95 %]',
      ...(measured ? ['predicted'] : []),
      'twice+',
      'on old',
      'peak/s',
      'away p95',
      'verdict',
    ],
    ...BORDERLESS,
  });
  for (const cell of cells)
    table.push([
      cell.id,
      `${percent(cell.droppedShare)} [${percent(cell.interval[0])}, ${percent(cell.interval[1])}]`,
      ...(measured
        ? [
            cell.predicted === undefined
              ? ''
              : `${percent(cell.predicted.droppedShare)} ${cell.predicted.agrees ? 'agrees' : 'DISAGREES'}`,
          ]
        : []),
      cell.droppedTwice,
      cell.landedOnOld,
      cell.peakReconnectsPerSecond,
      cell.timeAway === null ? '-' : formatDuration(cell.timeAway.p95),
      cell.verdict,
    ]);
  const reasons = cells.flatMap(({ id, verdict, why }) =>
    verdict === 'pass' ? [] : [`${id}: ${verdict}`, ...why.map((reason) => `  - ${reason}`)],
  );
  const skipped = resultDocument(stored).skipped.map(({ id, why }) => `${id}: skipped, ${why}`);
  return [table.toString(), ...(reasons.length > 0 ? ['', ...reasons] : []), ...skipped].join('\n');
}
