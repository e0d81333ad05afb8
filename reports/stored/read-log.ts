import { closeSync, createReadStream, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import type { Event } from '../../harness/contracts/event.ts';
import { UsageError } from '../../harness/errors.ts';
import { wrongEvent } from '../../harness/log/check-event.ts';
import { LineSeals } from '../../harness/log/seal.ts';

/** The event log in a run's folder, plain or compressed; undefined where there is neither. */
export const logFile = (directory: string): string | undefined =>
  ['events.jsonl', 'events.jsonl.gz'].map((name) => join(directory, name)).find((path) => existsSync(path));

/**
 * Hands each event of a run's log to `add`, line by line, checked as far as reading it needs. Returns the number of the
 * line that breaks off, as a killed run leaves it; that one is left out.
 * @throws UsageError naming file, line and what is wrong: no run, no JSON, no event, lines missing, doubled or changed.
 */
export async function readLog(directory: string, add: (event: Event) => void): Promise<number | undefined> {
  const path = logFile(directory);
  if (path === undefined)
    throw new UsageError([`${directory} holds no run: there is neither events.jsonl nor events.jsonl.gz`]);
  const wrong = (line: number, what: string) => new UsageError([`${path}: line ${line}: ${what}`]);
  const seals = new LineSeals();
  let number = 0;
  let sealed = false;
  let broken: number | undefined;
  const take = (line: string) => {
    number++;
    if (line === '') return;
    if (broken !== undefined)
      throw new UsageError([`${path}: line ${broken} of the event log is not JSON; the log is damaged`]);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      broken = number;
      return;
    }
    const mistake = wrongEvent(value);
    if (mistake !== undefined) throw wrong(number, mistake);
    const event = value as Event;
    if (event.type === 'run') sealed = event.schema >= 2;
    if (event.type === 'end') checkSeal(event, seals, sealed, (what) => wrong(number, what));
    seals.add(event, line);
    try {
      add(event);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(error.mistakes.map((one) => `${path}: line ${number}: ${one}`));
    }
  };
  // A line without its end is not whole, even where it looks so.
  const rest = await eachLine(path, take);
  if (rest === undefined) return broken;
  if (broken !== undefined) take(rest);
  return number + 1;
}

function checkSeal(
  end: Extract<Event, { type: 'end' }>,
  seals: LineSeals,
  sealed: boolean,
  wrong: (what: string) => UsageError,
): void {
  const { seal } = end;
  if (seal === undefined) {
    if (sealed) throw wrong('seal is missing (allowed: the lines before it and their sum)');
    return;
  }
  const { lines, sum } = seals.before(end);
  const whose = 'at' in end ? 'the cell' : 'the run';
  if (lines !== seal.lines)
    throw wrong(
      `seal.lines is ${seal.lines}, but ${whose} has ${lines} before it: lines are missing or doubled`,
    );
  if (sum !== seal.sum)
    throw wrong(
      `seal.sum is ${JSON.stringify(seal.sum)}, but the lines of ${whose} make ${sum}: some were changed`,
    );
}

/**
 * Calls `take` with each whole line of a file; returns what follows the last line end (undefined: nothing), or `''`
 * where a compressed file breaks off right behind one.
 */
async function eachLine(path: string, take: (line: string) => void): Promise<string | undefined> {
  const packed = path.endsWith('.gz');
  const decoder = new TextDecoder();
  let rest = '';
  let size = 0;
  const lines = (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() as string;
    for (const part of parts) take(part.endsWith('\r') ? part.slice(0, -1) : part);
  };
  try {
    for await (const chunk of open(path, packed)) {
      size += (chunk as Buffer).length;
      lines(decoder.decode(chunk as Buffer, { stream: true }));
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof UsageError || code === undefined) throw error;
    throw new UsageError([`${path}: cannot be read: ${message}`]);
  }
  lines(decoder.decode());
  const whole = !packed || sizeSaid(path) === size % 2 ** 32;
  return rest !== '' || !whole ? rest : undefined;
}

/** A compressed file that breaks off is read as far as it goes. */
function open(path: string, packed: boolean): Readable {
  const file = createReadStream(path);
  if (!packed) return file;
  const unpacked = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  file.on('error', (error) => unpacked.destroy(error));
  return file.pipe(unpacked);
}

/** The size that the last four bytes of a whole gzip file say it unpacks to, modulo 2^32 (RFC 1952). */
function sizeSaid(path: string): number | undefined {
  const { size } = statSync(path);
  if (size < 4) return undefined;
  const bytes = Buffer.alloc(4);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, 4, size - 4);
  } finally {
    closeSync(file);
  }
  return bytes.readUInt32LE();
}
