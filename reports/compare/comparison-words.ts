import { AXES, type AxisName } from '../../harness/contracts/axes.ts';
import { showAxis } from '../words/words.ts';
import type { CellComparison, Comparison, MetricComparison } from './compare.ts';
import { METRICS } from './thresholds.ts';

/** What tells a cell from the others of its strategy in this comparison. */
export function cellTitle(cell: CellComparison, { cells }: Comparison): string {
  const own = cells.filter(({ strategy }) => strategy === cell.strategy);
  const varying = (Object.keys(AXES) as AxisName[]).filter(
    (name) => new Set(own.map(({ axes }) => showAxis(axes, name))).size > 1,
  );
  const parts = varying.map((name) => `${name} ${showAxis(cell.axes, name)}`);
  if (new Set(own.map(({ cluster }) => cluster)).size > 1) parts.unshift(`on ${cell.cluster}`);
  return parts.length === 0 ? cell.strategy : `${cell.strategy} · ${parts.join(', ')}`;
}

/** A difference in its metric's own words, with its sign and interval. */
export function differenceText({ metric, difference, interval: [low, high] }: MetricComparison): string {
  if (Number.isNaN(difference)) return '–';
  const signed = (value: number) => {
    const text = METRICS[metric].showDifference(Math.abs(value));
    // What rounds to nothing has no sign.
    return `${/[1-9]/.test(text) ? (value > 0 ? '+' : '−') : ''}${text}`;
  };
  return `${signed(difference)} (${signed(low)} to ${signed(high)})`;
}
