import { closeSync, openSync, writeSync } from 'node:fs';
import type { Event } from '../contracts/event.ts';

/**
 * The append-only log of a run: one JSON document a line, written synchronously, so that a crash loses at most
 * what `buffer` characters hold (0: nothing).
 */
export class EventLog implements Disposable {
  readonly path: string;
  private readonly file: number;
  private readonly buffer: number;
  private pending = '';

  /** Opens `path` for appending; it must not exist yet, for a log is never written twice. */
  constructor(path: string, buffer = 0) {
    this.path = path;
    this.buffer = buffer;
    this.file = openSync(path, 'wx');
  }

  append(event: Event): void {
    this.pending += `${JSON.stringify(event)}\n`;
    if (this.pending.length > this.buffer) this.flush();
  }

  flush(): void {
    if (this.pending === '') return;
    const bytes = Buffer.from(this.pending);
    this.pending = '';
    for (let written = 0; written < bytes.length; ) written += writeSync(this.file, bytes, written);
  }

  [Symbol.dispose](): void {
    this.flush();
    closeSync(this.file);
  }
}
