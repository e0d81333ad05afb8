import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { logFile } from '../../../reports/stored/read-log.ts';
import { UsageError } from '../../errors.ts';
import { RUNS } from '../run-info.ts';
import { shownPath, typedPath } from '../typed-path.ts';

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

/** The run that began last; what is no run, and copies kept to compare with, are passed over. @throws UsageError when there is none. */
export function lastRun(folder = RUNS): string {
  const runs = storedRuns(folder).filter(({ name }) => !isBaseline(join(folder, name)));
  const last = runs.sort((one, other) => other.began - one.began)[0];
  if (last === undefined) throw new UsageError(['there is no stored run yet; npm run scenario makes one']);
  return join(folder, last.name);
}

/** A run's folder, and when it began, in milliseconds since 1970. */
interface StoredRunFolder {
  readonly name: string;
  readonly began: number;
}

/** The runs in a folder; whatever else lies there is passed over. */
export function storedRuns(folder: string): StoredRunFolder[] {
  return (existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []).flatMap((entry) => {
    const path = join(folder, entry.name);
    const began = entry.isDirectory() && logFile(path) !== undefined ? startOf(path) : Number.NaN;
    return Number.isNaN(began) ? [] : [{ name: entry.name, began }];
  });
}

function startOf(folder: string): number {
  try {
    const { startedAt } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as {
      startedAt?: unknown;
    };
    return typeof startedAt === 'string' ? Date.parse(startedAt) : Number.NaN;
  } catch {
    return Number.NaN;
  }
}

/** Stands in a run's folder that nightly compares with: the name of the run that it was copied from. */
export const BASELINE_MARK = 'baseline';

/** Whether a run is kept to be compared with. */
export const isBaseline = (folder: string): boolean =>
  /^baseline$|\.onedrop-(next|old)$/.test(basename(folder)) || existsSync(join(folder, BASELINE_MARK));

/** All that onedrop writes into a run's folder: what else is in one is somebody's. */
const RUN_FILES =
  /^(run\.json|events\.jsonl(\.gz)?|report\.(html|json)|summary\.md|junit\.xml|ledger\.csv(\.gz)?|charts|comparison|broken|cells?|baseline|sim-state\.json|netns-[\w-]+\.txt|command\.log|nginx\.conf|onedrop-[\w-]+)$/;

/** An entry of a run's folder that onedrop did not write; undefined: none. */
export const foreignEntry = (entries: readonly string[]): string | undefined =>
  entries.find((entry) => !RUN_FILES.test(entry));
