import type { CellResult } from '../../harness/analyses/analyze.ts';
import type { AxisTexts } from '../../harness/contracts/axes.ts';
import type { Finding } from './finding.ts';

/** One cell of an incident, and what must come out of it. */
interface Side {
  /** As typed on the command line; those of `after` stand on top of those of `before`. */
  readonly axes: AxisTexts;
  /** What onedrop says, from what was played. */
  finds(result: CellResult): Finding;
}

/** A public incident as a scenario: what somebody ran into, and what they changed. */
export interface Incident {
  readonly id: string;
  /** Where it was reported: `owner/name#number` on GitHub. */
  readonly reference: string;
  /** What they saw, in our words. */
  readonly saw: string;
  /** What fixed it, or what is said to help where nothing did. */
  readonly fix: string;
  /** The strategy's name. */
  readonly strategy: string;
  readonly before: Side;
  /** Undefined where no axis can say what they changed. */
  readonly after?: Side;
}

/** The cells of an incident, with all of their axes. */
export function sidesOf({ before, after }: Incident): (Side & { readonly name: 'before' | 'after' })[] {
  return [
    { ...before, name: 'before' },
    ...(after === undefined
      ? []
      : [{ ...after, name: 'after' as const, axes: { ...before.axes, ...after.axes } }]),
  ];
}
