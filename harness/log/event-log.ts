import { closeSync, openSync, writeSync } from 'node:fs';
import type { Event } from '../contracts/event.ts';
import { LineSeals } from './seal.ts';

/**
 * The append-only log of a run: one JSON document a line, written synchronously, so that a crash loses at most
 * what `buffer` characters hold (0: nothing). Each `end` seals the lines before it.
 */
export class EventLog implements Disposable {
  readonly path: string;
  private readonly file: number;
  private readonly buffer: number;
  private readonly seals = new LineSeals();
  private pending = '';

  /** Opens `path` for appending; it must not exist yet, for a log is never written twice. */
  constructor(path: string, buffer = 0) {
    this.path = path;
    this.buffer = buffer;
    this.file = openSync(path, 'wx');
  }

  append(event: Event): void {
    const line = JSON.stringify(event.type === 'end' ? { ...event, seal: this.seals.before(event) } : event);
    this.seals.add(event, line);
    this.pending += `${line}\n`;
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
