import type { Millis } from '../../harness/time/duration.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';

/** What colour a series or band is drawn in; the theme of page or picture decides how it looks. */
export type Role =
  | 'v1'
  | 'v2'
  | 'other'
  | 'away'
  | 'silent'
  | 'disconnects'
  | 'reconnects'
  | 'refused'
  | 'theory'
  | 'neutral';

/** A stretch of time shaded behind a chart. */
export interface Band {
  /** Seconds since the release began. */
  readonly from: number;
  readonly to: number;
  /** The step's number in the list beside the chart. */
  readonly tag: string;
  readonly kind: 'release' | 'cut-over' | 'rollback' | 'fault';
}

export interface Series {
  readonly label: string;
  readonly role: Role;
  readonly values: readonly number[];
}

/**
 * One chart as plain data: page and PNG draw it through the same code, tests look at it without drawing.
 * `x` are seconds since the release began, or the names of the bars.
 */
export interface ChartSpec {
  readonly kind: 'stacked' | 'lines' | 'bars';
  readonly title: string;
  /** The same in a sentence, for those who cannot see it. */
  readonly summary: string;
  readonly x: readonly number[] | readonly string[];
  readonly series: readonly Series[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly bands: readonly Band[];
  /** Horizontal lines, such as a theoretical peak. */
  readonly marks: readonly { readonly y: number; readonly label: string }[];
}

/** Points in a time chart; more than a line on paper shows. */
export const POINTS = 240;

/** When the release began: the zero of all times in a report; 0 where there was none. */
export const releaseBegin = ({ result }: AnalysedCell): Millis =>
  result.history.steps.find(({ phase }) => phase === 'release')?.begin ?? 0;

/** The window of a cell's time charts in whole seconds of the cell: a minute of calm, then all that followed. */
export function chartWindow(cell: AnalysedCell): { from: number; to: number; zero: number } {
  const zero = Math.floor(releaseBegin(cell) / 1000);
  const to = Math.max(zero + 1, Math.ceil(cell.result.fleet.end / 1000));
  return { from: Math.max(0, zero - 60), to, zero };
}

/** The steps of release and rollback as numbered bands. */
export function stepBands(cell: AnalysedCell): Band[] {
  const { to, zero } = chartWindow(cell);
  return numberedSteps(cell).map(({ step, tag }) => ({
    from: step.begin / 1000 - zero,
    to: step.end === null ? to - zero : step.end / 1000 - zero,
    tag,
    kind: step.fault
      ? 'fault'
      : step.phase === 'rollback'
        ? 'rollback'
        : step.cutOver
          ? 'cut-over'
          : 'release',
  }));
}

/** Steps of release and rollback, numbered as in all charts of the cell. */
export const numberedSteps = ({ result }: AnalysedCell) =>
  result.history.steps
    .filter(({ phase }) => phase === 'release' || phase === 'rollback')
    .map((step, index) => ({ step, tag: String(index + 1) }));
