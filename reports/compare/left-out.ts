import type { CellDocument } from '../../harness/analyses/cell-document.ts';

/** The runs of one side of a cell that say nothing in a comparison. */
export interface LeftOut {
  /** Runs that there are, and runs that the other side has more. */
  readonly of: number;
  /** Runs whose verdict is unknown, so that their figures prove nothing. */
  readonly unknown: number;
  /** Why they are unknown, each reason with its number of runs, the commonest first. */
  readonly reasons: readonly (readonly [reason: string, runs: number])[];
  /** Runs that the other side has more. */
  readonly lacking: number;
  /** The seeds that only the other side has, where these are what is lacking. */
  readonly seeds: readonly number[];
}

export const isKnown = ({ verdict }: CellDocument): boolean => verdict !== 'unknown';

/** What of one side's runs of a cell says nothing beside the other's. */
export function leftOut(own: readonly CellDocument[], other: readonly CellDocument[]): LeftOut {
  const unknown = own.filter((document) => !isKnown(document));
  const reasons = new Map<string, number>();
  for (const { why } of unknown) {
    const reason = why[0] ?? 'for no reason given';
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const lacking = Math.max(0, other.length - own.length);
  const has = new Set(own.map(({ seed }) => seed));
  const seeds = [...new Set(other.map(({ seed }) => seed).filter((seed) => !has.has(seed)))];
  return {
    of: own.length + lacking,
    unknown: unknown.length,
    reasons: [...reasons].sort(([, a], [, b]) => b - a),
    lacking,
    // Of other seeds altogether, none is lacking more than another.
    seeds: seeds.length === lacking ? seeds.sort((a, b) => a - b) : [],
  };
}

/** The share of the runs that say nothing. */
export const leftOutShare = ({ of, unknown, lacking }: LeftOut): number =>
  of === 0 ? 0 : (unknown + lacking) / of;

const MOST_NAMED = 3;

/** The first few of a list, and how many there are more. */
export const some = (list: readonly string[]) =>
  list.length <= MOST_NAMED
    ? list.join(', ')
    : `${list.slice(0, MOST_NAMED).join(', ')} and ${list.length - MOST_NAMED} more`;

/** What is left out of one side, of several cells together, and why; undefined where it is nothing. */
export function leftOutText(side: string, cells: readonly LeftOut[]): string | undefined {
  const sum = (count: (cell: LeftOut) => number) => cells.reduce((total, cell) => total + count(cell), 0);
  const [unknown, lacking] = [sum((cell) => cell.unknown), sum((cell) => cell.lacking)];
  if (unknown + lacking === 0) return undefined;
  const reasons = new Map<string, number>();
  for (const [reason, runs] of cells.flatMap((cell) => cell.reasons))
    reasons.set(reason, (reasons.get(reason) ?? 0) + runs);
  const sorted = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, runs]) => `${runs} × ${reason}`);
  const seeds = [...new Set(cells.flatMap((cell) => cell.seeds))].sort((a, b) => a - b).map(String);
  const parts = [
    ...(unknown > 0 ? [`${unknown} unknown (${some(sorted)})`] : []),
    ...(lacking > 0 ? [`${lacking} not there${seeds.length > 0 ? ` (seeds ${some(seeds)})` : ''}`] : []),
  ];
  return `${unknown + lacking} of ${sum((cell) => cell.of)} runs of the ${side} are left out: ${parts.join(', ')}`;
}
