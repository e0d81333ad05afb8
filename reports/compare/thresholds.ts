import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import { percent, rate } from '../words/words.ts';

/** A figure by which runs are compared; for all of them, less is better. */
export interface Metric {
  readonly title: string;
  /** Its value in one cell, or undefined where the cell has none. */
  of(document: CellDocument): number | undefined;
  /** A rise up to this much, whichever allowance is larger, is never worth an alarm. */
  readonly absolute: number;
  readonly relative: number;
  show(value: number): string;
  /** A difference without its sign. */
  showDifference(value: number): string;
}

const share = (count: (document: CellDocument) => number) => (document: CellDocument) =>
  document.clients === 0 ? undefined : count(document) / document.clients;

const points = (share: number) => (share === 0 ? '0' : `${(100 * share).toFixed(2)} points`);

/** What `npm run compare` looks at, and from what rise on it alarms. Shares are of the clients. */
export const METRICS = {
  dropped: {
    title: 'dropped',
    of: share(({ dropped }) => dropped),
    absolute: 0.01,
    relative: 0,
    show: percent,
    showDifference: points,
  },
  droppedTwice: {
    title: 'dropped twice or more',
    of: share(({ droppedTwice }) => droppedTwice),
    absolute: 0.005,
    relative: 0,
    show: percent,
    showDifference: points,
  },
  landedOnOld: {
    title: 'landed on the old version',
    of: share(({ landedOnOld }) => landedOnOld),
    absolute: 0.005,
    relative: 0,
    show: percent,
    showDifference: points,
  },
  collateral: {
    title: 'lost while their pod still served',
    of: share(({ collateral }) => collateral),
    absolute: 0.005,
    relative: 0,
    show: percent,
    showDifference: points,
  },
  unattributed: {
    title: 'unattributed',
    of: share(({ unattributed }) => unattributed),
    absolute: 0.002,
    relative: 0,
    show: percent,
    showDifference: points,
  },
  peakReconnects: {
    title: 'peak reconnects per second (10 s)',
    of: ({ peakReconnectsPer10Seconds }) => peakReconnectsPer10Seconds,
    absolute: 1,
    relative: 0.1,
    show: (value) => `${rate(value)}/s`,
    showDifference: (value) => `${rate(value)}/s`,
  },
  timeAwayP95: {
    title: 'time away, p95',
    of: ({ timeAway }) => timeAway?.p95,
    absolute: 5000,
    relative: 0.05,
    show: formatDuration,
    showDifference: formatDuration,
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

/**
 * From this share on the runs of a cell that say nothing (broken off, their verdict unknown, or not there although
 * the baseline has them) make a comparison without findings unknown: those that are left may be the ones that went
 * well. A quarter, since of 20 runs a few may be lost to a busy machine, and a change that spoils a run now and then
 * would show in the others as well.
 */
export const MOST_LEFT_OUT = 0.25;

/**
 * How often a comparison may alarm although nothing changed: 1 in 200, over all its cells and metrics together
 * (Holm), half of what is promised.
 */
export const FALSE_ALARMS = 0.005;
