import type { Event } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';

/** How far into its uninterrupted length a release is interrupted where nobody says otherwise: half-way. */
export const HALF_WAY = 0.5;

/** Measures a release while its events pass by: from the begin of its first step to the end of its last. */
export class ReleaseLength {
  private begin: Millis | undefined;
  private end: Millis | undefined;
  private finished = false;

  observe(event: Event): void {
    if (event.type === 'end') this.finished = event.outcome === 'finished';
    if (event.type !== 'step' || event.phase !== 'release') return;
    if (event.edge === 'begin') this.begin ??= event.at;
    else this.end = event.at;
  }

  /** Undefined until the cell has run to its end, and for a release without any step. */
  get length(): Millis | undefined {
    if (!this.finished || this.begin === undefined || this.end === undefined) return undefined;
    return this.end - this.begin;
  }
}
