import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { runVerdict } from '../result/result-document.ts';
import type { AnalysedCell, StoredRun } from '../stored/stored-run.ts';
import { answeringCells, cellDetail, count, interval, listed, percent, plural } from '../words/words.ts';
import { representatives, seedGroups } from './over-seeds.ts';

/** The run's question: the strategy's own where there is one, else the question that all comparisons ask. */
export function question(run: StoredRun): string {
  const questions = new Set(answeringCells(run).map(({ header }) => header.question));
  const [only] = questions;
  return questions.size === 1 && only !== undefined
    ? only
    : 'Which of these release strategies drops each client at most once, never all at once, and lands it on the new version?';
}

/** How a cell's connections were lost, in a word or two. */
function manner(document: CellDocument): string {
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
  if (clients === 0) return 'no client was ever connected, so that there is nothing to tell';
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
  const [first] = run.unplayed;
  const missing =
    first === undefined
      ? ''
      : ` ${plural(run.unplayed.length, 'planned cell')} ${run.unplayed.length === 1 ? 'was' : 'were'} not played: ${first.why}.`;
  return playedAnswer(run) + missing;
}

function playedAnswer(run: StoredRun): string {
  const cells = answeringCells(run);
  const [only] = cells;
  if (only === undefined) return 'No cell was played, so there is no answer.';
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  if (cells.length === 1) return `${capital(cellAnswer(only))}.`;
  const strategies = new Set(cells.map(({ header }) => header.strategy));
  if (strategies.size === 1) {
    const groups = seedGroups(cells);
    const parts = representatives(cells).map((cell) => {
      const group = groups.find(({ cells: [first] }) => first === cell)?.cells ?? [cell];
      const mean = group.reduce((sum, { result }) => sum + result.document.droppedShare, 0) / group.length;
      const detail = cellDetail(cell, cells);
      const words =
        group.length === 1
          ? detail
          : [detail.replace(/(, )?seed \d+$/, ''), `mean of ${group.length} seeds`]
              .filter((word) => word !== '')
              .join(', ');
      const none = group.every(({ result }) => result.document.clients === 0);
      return `${none ? 'unknown' : percent(mean)} (${words})`;
    });
    if (parts.length <= 8) return `Clients that lost their connection: ${listed(parts)}.`;
  }
  return `${comparison([...strategies], cells)}.`;
}

const DOES = {
  pass: ['passes', 'pass'],
  fail: ['fails', 'fail'],
  unknown: ['cannot be judged', 'cannot be judged'],
} as const;
const VERDICTS = ['pass', 'fail', 'unknown'] as const;

/** `a and b pass; c fails; d passes with Cluster and fails with Local`. */
function comparison(strategies: readonly string[], cells: readonly AnalysedCell[]): string {
  const own = (strategy: string) => cells.filter(({ header }) => header.strategy === strategy);
  const verdicts = (strategy: string) => new Set(own(strategy).map(({ result }) => result.document.verdict));
  const whole = VERDICTS.flatMap((verdict) => {
    const names = strategies.filter((name) => verdicts(name).size === 1 && verdicts(name).has(verdict));
    return names.length === 0 ? [] : [`${listed(names)} ${DOES[verdict][names.length === 1 ? 0 : 1]}`];
  });
  const mixed = strategies
    .filter((name) => verdicts(name).size > 1)
    .map((name) => {
      const parts = VERDICTS.filter((verdict) => verdicts(name).has(verdict)).map(
        (verdict) => `${DOES[verdict][0]} ${where(own(name), verdict)}`,
      );
      return `${name} ${listed(parts)}`;
    });
  return [...whole, ...mixed].join('; ');
}

/** In which of a strategy's cells it came to a verdict; numbers instead of names where there are many. */
function where(own: readonly AnalysedCell[], verdict: CellDocument['verdict']): string {
  const cells = own.filter(({ result }) => result.document.verdict === verdict);
  return cells.length > 3
    ? `in ${cells.length} of ${own.length} cells`
    : `with ${listed(cells.map((cell) => cellDetail(cell, own)))}`;
}

/** Predictions that the measurement contradicts: findings of their own. */
export const disagreements = (run: StoredRun): AnalysedCell[] =>
  answeringCells(run).filter(({ result }) => result.document.predicted?.agrees === false);

export { runVerdict };
