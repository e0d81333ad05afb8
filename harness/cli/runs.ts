import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.ts';
import { RUNS } from './run-info.ts';
import { shownPath, typedPath } from './typed-path.ts';

/** A stored run's folder from what was typed: a path, the name of a run in reports/runs, or `last`. @throws UsageError. */
export function runDirectory(name: string): string {
  if (name === 'last') return lastRun();
  const found = folderOf(name);
  if (!existsSync(join(found, 'run.json')))
    throw new UsageError([`${name}: neither a run's folder nor the name of a run in ${shownPath(RUNS)}`]);
  return found;
}

/** As `runDirectory`, for those who take a folder of runs as well. */
export const runFolder = (name: string): string => (name === 'last' ? lastRun() : folderOf(name));

const folderOf = (name: string): string => {
  const typed = typedPath(name);
  return existsSync(typed) || name === '' ? typed : join(RUNS, name);
};

/** The run that began last; what is no run is passed over. @throws UsageError when there is none. */
function lastRun(): string {
  const begun = (existsSync(RUNS) ? readdirSync(RUNS) : []).flatMap((name) => {
    const startedAt = startOf(join(RUNS, name));
    return startedAt === undefined ? [] : [{ name, startedAt }];
  });
  const last = begun.sort((one, other) => (one.startedAt < other.startedAt ? 1 : -1))[0];
  if (last === undefined) throw new UsageError(['there is no stored run yet; npm run scenario makes one']);
  return join(RUNS, last.name);
}

function startOf(folder: string): string | undefined {
  try {
    const { startedAt } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as {
      startedAt?: unknown;
    };
    return typeof startedAt === 'string' ? startedAt : undefined;
  } catch {
    return undefined;
  }
}
