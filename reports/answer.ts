import type { CellDocument } from '../harness/analyses/cell-document.ts';
import { runVerdict } from './result-document.ts';
import type { AnalysedCell, StoredRun } from './stored-run.ts';
import { answeringCells, cellName, count, interval, listed, percent, plural } from './words.ts';

/** The run's question: the strategy's own where there is one, else the question that all comparisons ask. */
export function question(run: StoredRun): string {
  const questions = new Set(answeringCells(run).map(({ header }) => header.question));
  const [only] = questions;
  return questions.size === 1 && only !== undefined
    ? only
    : 'Which of these release strategies drops each client at most once, never all at once, and lands it on the new version?';
}

/** How a cell's connections were lost, in a word or two. */
export function manner(document: CellDocument): string {
  const ways: [number, string][] = [
    [document.silent, 'silently'],
    [document.reset, 'by a reset'],
    [document.fin, 'by a bare FIN'],
    [document.closed, 'by a close frame'],
    [document.asked, 'on request'],
  ];
  const present = ways.filter(([clients]) => clients > 0).sort(([a], [b]) => b - a);
  if (present.length === 0) return '';
  if (present.length === 1) return `all of them ${(present[0] as [number, string])[1]}`;
  return present.map(([clients, way]) => `${count(clients)} ${way}`).join(', ');
}

/** One cell's finding in one sentence. */
export function cellAnswer({ result: { document } }: AnalysedCell): string {
  const { dropped, clients, droppedShare, droppedTwice, predicted } = document;
  const share =
    dropped === 0
      ? `none of ${plural(clients, 'client')} lost its connection (95 % interval ${interval(document.interval)})`
      : `${percent(droppedShare)} of ${plural(clients, 'client')} lost their connection (95 % interval ${interval(document.interval)}), ${manner(document)}`;
  const twice = droppedTwice > 0 ? `; ${count(droppedTwice)} of them twice or more` : '';
  const foretold =
    predicted === undefined
      ? ''
      : `; the simulator predicted ${percent(predicted.droppedShare)}, which ${predicted.agrees ? 'agrees' : 'disagrees'}`;
  return `${share}${twice}${foretold}`;
}

/** The answer of the whole run in one sentence; for several cells, who passed and what the others failed of. */
export function answer(run: StoredRun): string {
  const cells = answeringCells(run);
  const [only] = cells;
  if (only === undefined) return 'No cell was played, so there is no answer.';
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  if (cells.length === 1) return `${capital(cellAnswer(only))}.`;
  const strategies = new Set(cells.map(({ header }) => header.strategy));
  if (strategies.size === 1) {
    const parts = cells.map((cell) => {
      const { document } = cell.result;
      const name = cellName(cell, cells).split(' · ')[1] ?? cell.header.id;
      return `${percent(document.droppedShare)} (${name})`;
    });
    if (parts.length <= 8) return `Clients that lost their connection: ${listed(parts)}.`;
  }
  const sentences = [...strategies].map((strategy) =>
    strategyAnswer(
      strategy,
      cells.filter(({ header }) => header.strategy === strategy),
      cells,
    ),
  );
  return `${sentences.join('; ')}.`;
}

const DOES = { pass: 'passes', fail: 'fails', unknown: 'cannot be judged' } as const;

/** `selector-flip passes with Cluster and fails with Local`; numbers instead of names where there are many. */
function strategyAnswer(
  strategy: string,
  own: readonly AnalysedCell[],
  all: readonly AnalysedCell[],
): string {
  const outcomes = (['pass', 'fail', 'unknown'] as const).flatMap((verdict) => {
    const cells = own.filter(({ result }) => result.document.verdict === verdict);
    return cells.length === 0 ? [] : [{ verdict, cells }];
  });
  const [only] = outcomes;
  if (outcomes.length === 1 && only !== undefined)
    return `${strategy} ${DOES[only.verdict]}${own.length > 1 ? ` in all ${own.length} cells` : ''}`;
  const where = (cells: readonly AnalysedCell[]) =>
    cells.length > 3
      ? `in ${cells.length} of ${own.length} cells`
      : `with ${listed(cells.map((cell) => cellName(cell, all).split(' · ')[1] ?? cell.header.id))}`;
  return `${strategy} ${listed(outcomes.map(({ verdict, cells }) => `${DOES[verdict]} ${where(cells)}`))}`;
}

/** Predictions that the measurement contradicts: findings of their own. */
export const disagreements = (run: StoredRun): AnalysedCell[] =>
  answeringCells(run).filter(({ result }) => result.document.predicted?.agrees === false);

export { runVerdict };
