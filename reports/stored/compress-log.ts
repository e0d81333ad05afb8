import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** A file beyond this many bytes is worth compressing: a log shrinks to about a fifteenth. */
const LARGE = 20_000_000;

/** Compresses a file when it is large, and returns the path of what is there afterwards; broken off, the plain one stays. */
export async function compressLarge(plain: string, larger = LARGE): Promise<string> {
  const packed = `${plain}.gz`;
  if (!existsSync(plain)) return packed;
  if (statSync(plain).size < larger) return plain;
  const part = `${packed}.part`;
  await pipeline(createReadStream(plain), createGzip(), createWriteStream(part));
  renameSync(part, packed);
  rmSync(plain);
  return packed;
}

/** Compresses a finished run's event log when it is large; whoever reads runs reads both. */
export const compressLog = (directory: string, larger = LARGE): Promise<string> =>
  compressLarge(join(directory, 'events.jsonl'), larger);
