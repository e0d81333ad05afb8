import { readFileSync } from 'node:fs';
import { UsageError } from '../../harness/errors.ts';

/** The JSON document in a file. @throws UsageError with the file's name when it cannot be read or is none. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const what = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    throw new UsageError([`${path}: ${what}: ${(error as Error).message.replace(/\p{Cc}+/gu, ' ')}`]);
  }
}
