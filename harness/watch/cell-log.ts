import type { CellHeader, Event, Outcome, Timed } from '../contracts/event.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import { Carry, rebased } from './carry.ts';

/** Between two cells, what happened longer ago than this is only kept as what is so since: the background that the next cell tells. */
const MOST_BETWEEN: Millis = 900_000;

/**
 * Writes what happens to one fleet as cells that follow each other, each counting its time from its own begin. What
 * happens between two cells stands at the begin of the second, after all that was so when the first one ended.
 */
export class CellLog {
  private readonly clock: Clock;
  private readonly append: (event: Event) => void;
  private readonly carry = new Carry();
  /** When the current cell began; undefined between cells. */
  private origin: Millis | undefined;
  private between: Timed[] = [];
  private ended: Millis = 0;

  constructor(clock: Clock, append: (event: Event) => void) {
    this.clock = clock;
    this.append = append;
  }

  get isOpen(): boolean {
    return this.origin !== undefined;
  }

  /** Takes an event with the clock's own time. */
  record(event: Event): void {
    if (!('at' in event)) return;
    if (this.origin === undefined) {
      this.between.push(event);
      this.forget();
      return;
    }
    this.carry.observe(event);
    this.append(rebased(event, this.origin));
  }

  begin(cell: CellHeader): void {
    this.origin = this.ended;
    this.append({ type: 'cell', cell });
    for (const event of this.carry.snapshot(this.origin)) this.append(rebased(event, this.origin));
    for (const event of this.between) this.record(event);
    this.between = [];
  }

  end(outcome: Outcome, why?: string): void {
    if (this.origin === undefined) return;
    const at = this.clock.now() - this.origin;
    this.append({ at, type: 'end', outcome, ...(why === undefined ? {} : { why }) });
    this.origin = undefined;
    this.ended = this.clock.now();
  }

  /** The oldest between cells become part of what is so. */
  private forget(): void {
    const until = this.clock.now() - MOST_BETWEEN;
    let old = 0;
    while ((this.between[old]?.at ?? until) < until) old++;
    // Now and then, for each costs a copy of the rest.
    if (old < 1000 && (this.between[0]?.at ?? until) >= until - MOST_BETWEEN) return;
    for (const event of this.between.splice(0, old)) this.carry.observe(event);
    this.ended = Math.max(this.ended, until);
  }
}
