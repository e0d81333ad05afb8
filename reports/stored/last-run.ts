import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../harness/errors.ts';
import { logFile } from './read-log.ts';
import { readRunInfo } from './run-info.ts';

/**
 * The folder in `directory` of the run that began last, as its run.json says; of copies of one run, the folder that has
 * its name. What is no run, or a damaged one, is passed over. Undefined where there is none.
 */
export function lastRun(directory: string): string | undefined {
  if (!existsSync(directory)) return undefined;
  const runs = readdirSync(directory).flatMap((name) => {
    const folder = join(directory, name);
    try {
      if (logFile(folder) === undefined) return [];
      const { startedAt, id } = readRunInfo(folder);
      const began = Date.parse(startedAt);
      return Number.isNaN(began) ? [] : [{ folder, name, began, named: name === id }];
    } catch (error) {
      if (error instanceof UsageError) return [];
      throw error;
    }
  });
  runs.sort((a, b) => a.began - b.began || Number(a.named) - Number(b.named) || (a.name < b.name ? -1 : 1));
  return runs.at(-1)?.folder;
}
