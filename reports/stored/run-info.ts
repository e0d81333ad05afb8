import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RunInfo } from '../../harness/analyses/run-info.ts';
import { UsageError } from '../../harness/errors.ts';
import { readJson } from './read-json.ts';

/** What `run.json` in a run's folder says. @throws UsageError naming the file and every field that is wrong. */
export function readRunInfo(directory: string): RunInfo {
  const path = join(directory, 'run.json');
  if (!existsSync(path)) throw new UsageError([`${directory} holds no run: there is no run.json`]);
  const read = RunInfo.safeParse(readJson(path));
  if (!read.success)
    throw new UsageError(
      read.error.issues.map(({ path: where, message }) =>
        [path, where.join('.'), message].filter(Boolean).join(': '),
      ),
    );
  return read.data;
}
