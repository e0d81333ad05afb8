import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Event } from '../contracts/event.ts';

/** What one cell records, its prediction before it. */
export interface Part {
  record(event: Event): void;
  /** Nothing more will come. */
  end(): void;
}

interface Opened {
  readonly path: string;
  /** Where its events wait; undefined as long as there are none, and once it is its turn. */
  file: number | undefined;
  ended: boolean;
}

/** Bytes that are read at once of what has waited. */
const CHUNK = 1 << 16;

/**
 * Brings what several cells record at once into the order in which their parts were opened. The first part that has
 * not ended is recorded at once; the events of later ones wait in files beside the log (`events-2.jsonl`), not in
 * memory, so that a killed run loses none.
 */
export class OrderedParts {
  private readonly log: (event: Event) => void;
  private readonly directory: string;
  private readonly parts: Opened[] = [];
  private opened = 0;

  constructor(log: (event: Event) => void, directory: string) {
    this.log = log;
    this.directory = directory;
  }

  open(): Part {
    const path = join(this.directory, `events-${++this.opened}.jsonl`);
    const part: Opened = { path, file: undefined, ended: false };
    this.parts.push(part);
    return {
      record: (event) => {
        if (this.parts[0] === part) this.log(event);
        else this.wait(part, event);
      },
      end: () => {
        part.ended = true;
        while (this.parts[0]?.ended) this.next();
      },
    };
  }

  /** Records what still waits, in order, whether its part has ended or not. */
  end(): void {
    while (this.parts.length > 0) this.next();
  }

  private wait(part: Opened, event: Event): void {
    part.file ??= openSync(part.path, 'wx+');
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    for (let written = 0; written < bytes.length; ) written += writeSync(part.file, bytes, written);
  }

  private next(): void {
    this.parts.shift();
    const [part] = this.parts;
    if (part?.file === undefined) return;
    for (const line of lines(part.file)) this.log(JSON.parse(line) as Event);
    closeSync(part.file);
    part.file = undefined;
    rmSync(part.path);
  }
}

/** The lines of an open file from its beginning, without their ends; what follows the last line end is none. */
function* lines(file: number): Generator<string> {
  const decoder = new StringDecoder();
  const chunk = Buffer.alloc(CHUNK);
  let rest = '';
  for (let at = 0; ; ) {
    const length = readSync(file, chunk, 0, CHUNK, at);
    if (length === 0) return;
    at += length;
    const complete = `${rest}${decoder.write(chunk.subarray(0, length))}`.split('\n');
    rest = complete.pop() ?? '';
    yield* complete;
  }
}
