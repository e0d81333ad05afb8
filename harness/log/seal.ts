import { crc32 } from 'node:zlib';
import type { Event, Seal } from '../contracts/event.ts';

/**
 * Counts and sums up the lines of a log, so that a line that is removed, doubled or changed afterwards is found.
 * A cell's `end` seals its lines, the run's `end` those outside of cells and, with the cells' ends, all others.
 * Whoever writes a log and whoever reads one use the same.
 */
export class LineSeals {
  private readonly run = { lines: 0, sum: 0 };
  private cell: { lines: number; sum: number } | undefined;

  /** What this `end` seals if it follows now: its cell where it has a time, else the run. */
  before(end: Event): Seal {
    const { lines, sum } = 'at' in end ? (this.cell ?? this.run) : this.run;
    return { lines, sum: sum.toString(16).padStart(8, '0') };
  }

  /** Takes an event's line, without its line end. */
  add(event: Event, line: string): void {
    if (event.type === 'cell') this.cell = { lines: 0, sum: 0 };
    if (event.type === 'end') this.cell = undefined;
    this.run.lines++;
    if (this.cell !== undefined) this.cell.lines++;
    const part = this.cell ?? this.run;
    part.sum = crc32(`${line}\n`, part.sum);
  }
}
