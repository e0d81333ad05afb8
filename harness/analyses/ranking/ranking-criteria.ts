import type { CellDocument } from '../cell-document.ts';
import { firstWaitSpread } from '../clients/return-law.ts';
import { excess } from '../clients/shape.ts';

/** `never` where the cell ended without it (everybody on v2); null where it was not played, or cannot be believed. */
export type Value = number | 'never' | null;

/** One thing that a release is compared in; less is better in all of them. */
export interface Criterion {
  readonly name: CriterionName;
  /** What is compared, as the head of a column. */
  readonly title: string;
  /** The same where there is little room. */
  readonly short: string;
  readonly unit: 'share' | 'per second' | 'time' | 'per client' | 'pods' | 'count';
  /** Told only where the limits of pods were given: without them nothing of the kind can happen. */
  readonly onlyLimited?: true;
  /**
   * What of a cell is compared; `rolledBack` is the same cell played half-way and rolled back, where it was.
   */
  value(cell: CellDocument, rolledBack: CellDocument | undefined): Value;
  /**
   * The value as a whole number of noticeable steps: two cells of the same level count as equal, because chance alone
   * makes values differ by less. 0 is only what is exactly 0.
   */
  level(value: Value, cell: CellDocument): number;
}

export type CriterionName =
  | 'droppedTwice'
  | 'collateral'
  | 'landedOnOld'
  | 'lostWithin10Seconds'
  | 'mostAway'
  | 'peakReconnects'
  | 'rollback'
  | 'convergence'
  | 'extraPods'
  | 'skew'
  | 'recovery'
  | 'podsFallen';

function steps(value: Value, step: number): number {
  if (value === null || value === 'never') return Number.POSITIVE_INFINITY;
  return value <= 0 ? 0 : Math.max(1, Math.ceil(value / step - 1e-9));
}

const share = (of: (cell: CellDocument) => number) => (cell: CellDocument) =>
  cell.clients === 0 ? null : of(cell) / cell.clients;
const byStep = (step: number) => (value: Value) => steps(value, step);

/** Of 2000 clients a percent is 20; a binomial share of them varies by about one percent. */
const FEW = byStep(0.01);
const MANY = byStep(0.05);

/**
 * What releases are ranked in, in the order in which the asker minds: first what must not happen at all, then how
 * hard the return hits, then what can be undone, how long it takes and what it needs.
 */
export const RANKING_CRITERIA: readonly Criterion[] = [
  {
    name: 'droppedTwice',
    title: 'dropped more than once',
    short: 'twice+',
    unit: 'share',
    value: share(({ droppedTwice }) => droppedTwice),
    level: FEW,
  },
  {
    name: 'collateral',
    title: 'collateral drops',
    short: 'collateral',
    unit: 'share',
    value: share(({ collateral }) => collateral),
    level: FEW,
  },
  {
    name: 'landedOnOld',
    title: 'landed on old',
    short: 'on old',
    unit: 'share',
    value: share(({ landedOnOld }) => landedOnOld),
    level: FEW,
  },
  {
    name: 'lostWithin10Seconds',
    title: 'lost within 10 s',
    short: 'in 10 s',
    unit: 'share',
    value: ({ lossIn10SecondsShare }) => lossIn10SecondsShare,
    level: MANY,
  },
  {
    name: 'mostAway',
    title: 'away at once',
    short: 'away',
    unit: 'share',
    value: ({ mostAwayShare }) => mostAwayShare,
    level: MANY,
  },
  {
    name: 'peakReconnects',
    title: 'peak reconnects',
    short: 'peak',
    unit: 'per second',
    value: ({ peakReconnectsPer10Seconds }) => peakReconnectsPer10Seconds,
    // In quarters of the rate at which all clients return when all are lost at once.
    level: (value, { clients, axes }) =>
      clients === 0
        ? Number.POSITIVE_INFINITY
        : steps(value, ((clients * 1000) / firstWaitSpread(axes)) * 0.25),
  },
  {
    name: 'rollback',
    title: 'rollback cost',
    short: 'rollback',
    unit: 'per client',
    value: (_, rolledBack) =>
      rolledBack === undefined || rolledBack.clients === 0 || rolledBack.verdict === 'unknown'
        ? null
        : rolledBack.disconnects / rolledBack.clients,
    level: MANY,
  },
  {
    name: 'convergence',
    title: 'all on v2 after',
    short: 'all on v2',
    unit: 'time',
    value: ({ allOnV2Millis }) => allOnV2Millis ?? 'never',
    level: byStep(30_000),
  },
  {
    name: 'extraPods',
    title: 'extra pods',
    short: 'pods',
    unit: 'pods',
    value: ({ extraPods }) => extraPods,
    level: byStep(1),
  },
  {
    name: 'skew',
    title: 'fullest pod above the mean',
    short: 'fullest',
    unit: 'share',
    value: ({ shape }) => (shape === null ? null : excess(shape)),
    // Chance alone makes the fullest of a few pods a tenth fuller than the mean.
    level: byStep(0.5),
  },
  {
    name: 'recovery',
    title: 'itself again after',
    short: 'itself again',
    unit: 'time',
    onlyLimited: true,
    value: ({ capacity }) =>
      capacity === null
        ? null
        : capacity.outcome === 'collapses'
          ? 'never'
          : (capacity.itselfAgainMillis ?? 'never'),
    level: (value) => (value === null ? 0 : steps(value, 30_000)),
  },
  {
    name: 'podsFallen',
    title: 'pods that fell',
    short: 'fell',
    unit: 'count',
    onlyLimited: true,
    value: ({ capacity }) => capacity?.podsFallen ?? null,
    level: (value) => (value === null ? 0 : steps(value, 1)),
  },
];
