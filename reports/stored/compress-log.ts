import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** A log beyond this many bytes is worth compressing: it shrinks to about a fifteenth. */
const LARGE_LOG = 20_000_000;

/**
 * Compresses a finished run's event log when it is large, and returns the path of what is there afterwards. Whoever
 * reads runs reads both; a compression that is broken off leaves the plain log.
 */
export async function compressLog(directory: string, larger = LARGE_LOG): Promise<string> {
  const plain = join(directory, 'events.jsonl');
  const packed = `${plain}.gz`;
  if (!existsSync(plain)) return packed;
  if (statSync(plain).size < larger) return plain;
  const part = `${packed}.part`;
  await pipeline(createReadStream(plain), createGzip(), createWriteStream(part));
  renameSync(part, packed);
  rmSync(plain);
  return packed;
}
