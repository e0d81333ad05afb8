import type { CellResult } from '../../harness/analyses/analyze.ts';
import type { LedgerRow } from '../../harness/analyses/ledger/ledger.ts';
import { formatDuration, type Millis } from '../../harness/time/duration.ts';

/** What onedrop says of one side of an incident, and whether that is what must come out. */
export interface Finding {
  readonly says: string;
  readonly holds: boolean;
}

/** A sentence that holds where all of these do. */
export const finding = (says: string, ...holds: readonly boolean[]): Finding => ({
  says,
  holds: holds.every(Boolean),
});

export const percent = (count: number, all: number): string => `${Math.round((100 * count) / all)} %`;

/** Whether so many of all can be a sample of this share: one seed of a thousand says no where it is right. */
export const isAbout = (share: number, count: number, all: number): boolean =>
  Math.abs(count - share * all) <= 3.3 * Math.sqrt(all * share * (1 - share)) + 1;

/** Disconnects that were noticed within this time of the first. */
export const lostWithin = ({ ledger: { rows } }: CellResult, time: Millis): number =>
  rows.filter(({ detected }) => detected - (rows[0] as LedgerRow).detected <= time).length;

/** A stretch of time; neither end is a number where there was nothing to measure, so that nothing holds of it. */
interface Span {
  readonly least: Millis;
  readonly most: Millis;
}

/** When clients noticed what they lost, counted from a moment of each. */
export function noticed(rows: readonly LedgerRow[], since: (row: LedgerRow) => Millis | undefined): Span {
  const times = rows.map((row) => row.detected - (since(row) ?? Number.NaN));
  if (times.length === 0) return { least: Number.NaN, most: Number.NaN };
  const by = (best: (...two: number[]) => number) => times.reduce((one, other) => best(one, other));
  return { least: by(Math.min), most: by(Math.max) };
}

/** `10m`, or `10m to 12m`. */
export const span = ({ least, most }: Span): string => {
  const [from, to] = [least, most].map(formatDuration);
  return from === to ? `${from}` : `${from} to ${to}`;
};

export const isWithin = ({ least, most }: Span, from: Millis, to: Millis): boolean =>
  least >= from && most <= to;

/** When a pod of this name was first told to end, by its gateway's own word or by its phase. */
export const terminating = ({ history }: CellResult, pod: string): Millis | undefined =>
  history.pods.get(pod)?.phases.find(({ phase }) => phase === 'terminating')?.at;

export const sigterm = ({ history }: CellResult, pod: string): Millis | undefined =>
  history.gateways.find((event) => event.pod === pod && event.did === 'sigterm')?.at;

/** When the step began that did what the scenario is about: the cut-over, or the first fault. */
export const begun = ({ history }: CellResult): Millis | undefined =>
  history.steps.find(({ cutOver, fault }) => cutOver || fault)?.begin;
