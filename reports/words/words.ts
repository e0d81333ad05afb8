import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { type Told, told } from '../../harness/analyses/warnings.ts';
import { AXES, type AxisName } from '../../harness/contracts/axes.ts';
import { formatDuration, type Millis } from '../../harness/time/duration.ts';
import { type AnalysedCell, isAnalysed, type StoredCell, type StoredRun } from '../stored/stored-run.ts';

/** A count with thousands separated, the same on every machine. */
export const count = (number: number): string => number.toLocaleString('en-US');

/** A rate with one decimal where it is small. */
export const rate = (number: number): string =>
  number.toLocaleString('en-US', { maximumFractionDigits: number < 100 ? 1 : 0 });

/** A share as `66.7 %`; 0 and 100 only where they are exact. */
export function percent(share: number): string {
  const points = 100 * share;
  if (points === 0 || points === 100) return `${points} %`;
  if (points < 0.1) return '< 0.1 %';
  if (points > 99.9) return '> 99.9 %';
  return `${points.toFixed(1)} %`;
}

export const interval = ([low, high]: readonly [number, number]): string =>
  `${points(low)}–${points(high)} %`;

/** Percentage points; 0 and 100 without decimals where they are exact. */
const points = (share: number) =>
  share === 0 || share === 1 ? String(100 * share) : (100 * share).toFixed(1);

export const plural = (number: number, noun: string): string =>
  `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

/** Clients of a cell that were dropped, as a share; a dash where nobody was ever connected. */
export const droppedShare = ({
  clients,
  droppedShare: share,
}: Pick<CellDocument, 'clients' | 'droppedShare'>) => (clients === 0 ? '–' : percent(share));

/** The interval of that share; a dash where nobody was ever connected. */
export const droppedInterval = ({ clients, interval: range }: Pick<CellDocument, 'clients' | 'interval'>) =>
  clients === 0 ? '–' : interval(range);

/** What the verdicts of these cells take for given, each sentence once. */
export const assumed = (cells: readonly AnalysedCell[]): string[] => [
  ...new Set(cells.flatMap(({ result }) => result.document.assumes)),
];

/** Planned cells that were not played, a line each. */
export const unplayedLines = ({ unplayed }: StoredRun): string[] =>
  unplayed.map(({ id, why }) => `${id}: unknown: not played: ${why}`);

/** A time, or a dash where there is none. */
export const time = (length: Millis | null | undefined): string =>
  length === null || length === undefined ? '–' : formatDuration(length);

/** `a, b and c`. */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

/** Cells that answer the question: analysed, and not there to predict another or to roll it back. */
export const answeringCells = ({ cells }: StoredRun): AnalysedCell[] =>
  cells
    .filter(isAnalysed)
    .filter(({ header }) => header.predicts === undefined && header.rollsBack === undefined);

/** Cells that play another one half-way and roll it back; only the ranking shows them. */
export const rolledBackCells = ({ cells }: StoredRun): AnalysedCell[] =>
  cells
    .filter(isAnalysed)
    .filter(({ header }) => header.predicts === undefined && header.rollsBack !== undefined);

/** What makes results of a run meaningless or surprising, each once, with the cells that it is about. */
export const warningsOf = (cells: readonly AnalysedCell[]): Told[] =>
  told(cells.map((cell) => ({ name: cellName(cell, cells), warnings: cell.result.document.warnings })));

export const skippedCells = ({ cells }: StoredRun): Extract<StoredCell, { skipped: string }>[] =>
  cells.filter((cell) => !isAnalysed(cell)) as Extract<StoredCell, { skipped: string }>[];

/** An axis value as the user would type it. */
export const showAxis = (axes: CellDocument['axes'], name: AxisName): string =>
  AXES[name].show(axes[name] as never);

/** The axes in which the cells of a run differ, in their usual order. */
export function varyingAxes(cells: readonly AnalysedCell[]): AxisName[] {
  return (Object.keys(AXES) as AxisName[]).filter(
    (name) => new Set(cells.map(({ header }) => showAxis(header.axes, name))).size > 1,
  );
}

/**
 * What tells a cell from the others of its strategy: its cluster where there are several, the axes that vary, the
 * seed; empty for a strategy's only cell. Axes in which only the strategies' own defaults differ are left out.
 */
export function cellDetail(cell: AnalysedCell, cells: readonly AnalysedCell[]): string {
  const own = cells.filter(({ header }) => header.strategy === cell.header.strategy);
  const several = (of: (cell: AnalysedCell) => unknown) => new Set(own.map(of)).size > 1;
  const parts = varyingAxes(own).map((name) => {
    const value = showAxis(cell.header.axes, name);
    if (name === 'policy' || name === 'balancer' || name === 'proxy') return value;
    if (name === 'nodes' || name === 'pods' || name === 'clients')
      return `${value} ${value === '1' ? name.slice(0, -1) : name}`;
    return `${name} ${value}`;
  });
  if (several(({ header }) => header.cluster)) parts.unshift(`on ${cell.header.cluster}`);
  if (several(({ header }) => header.seed)) parts.push(`seed ${cell.header.seed}`);
  return parts.join(', ');
}

/** A cell's name within its run: its own, or strategy and detail. */
export function cellName(cell: AnalysedCell, cells: readonly AnalysedCell[]): string {
  if (cell.header.title !== undefined) return cell.header.title;
  const detail = cellDetail(cell, cells);
  return detail === '' ? cell.header.strategy : `${cell.header.strategy} · ${detail}`;
}
