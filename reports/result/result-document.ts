import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import type { RunInfo } from '../../harness/analyses/run-info.ts';
import type { VerdictName } from '../../harness/analyses/verdict.ts';
import type { StoredRun, Unplayed } from '../stored/stored-run.ts';
import { answeringCells, rolledBackCells, skippedCells } from '../words/words.ts';
import { adviceOf, type RankingDocument, rankingDocument } from './advice.ts';

/** The version of the document below; raised when a field changes its meaning or goes, not when one is added. */
export const REPORT_SCHEMA = 1;

/** What `--format json` prints and report.json begins with. */
export interface ResultDocument {
  readonly schema: number;
  readonly run: RunInfo;
  readonly verdict: VerdictName;
  readonly cells: readonly CellDocument[];
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
  /** Planned cells that the run did not reach; each is unknown. */
  readonly unplayed: readonly Unplayed[];
  /** Releases interrupted half-way and rolled back, in the shape of `cells`; the id of each begins with its cell's. */
  readonly rolledBack: readonly CellDocument[];
  /** One a cluster, where there are at least two releases to compare. */
  readonly ranking: readonly RankingDocument[];
}

/**
 * The run's verdict: unknown where it did not come to its end with all that was planned; else fail where a cell fails,
 * else unknown where one is unknown or none was played, else pass.
 */
export function runVerdict(run: StoredRun): VerdictName {
  const verdicts = answeringCells(run).map(({ result }) => result.document.verdict);
  if (run.ended !== 'finished' || run.unplayed.length > 0) return 'unknown';
  if (verdicts.includes('fail')) return 'fail';
  return verdicts.length === 0 || verdicts.includes('unknown') ? 'unknown' : 'pass';
}

/** The stable document of a run: its cells without their predictions' own rows, which stand in `predicted`. */
export function resultDocument(run: StoredRun): ResultDocument {
  return {
    schema: REPORT_SCHEMA,
    run: run.run,
    verdict: runVerdict(run),
    cells: answeringCells(run).map(({ result }) => result.document),
    skipped: skippedCells(run).map(({ header, skipped }) => ({ id: header.id, why: skipped })),
    unplayed: run.unplayed,
    rolledBack: rolledBackCells(run).map(({ result }) => result.document),
    ranking: adviceOf(run).map(rankingDocument),
  };
}
