import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import type { RunInfo } from '../analyses/run-info.ts';
import { commit } from './commit.ts';
import { typedFolder } from './typed-path.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Installed, rather than a checkout: nothing is written into the package. */
const isInstalled = !existsSync(join(ROOT, 'tsconfig.json'));

/** Where runs are kept unless told otherwise. */
export const RUNS = isInstalled ? join(typedFolder(), 'onedrop-runs') : join(ROOT, 'reports', 'runs');

export const VERSIONS = {
  onedrop: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
  node: process.versions.node,
};

/** What is true of the run that begins now but not of its seed: time, machine, command, commit. */
export function runInfo(
  seed: number,
  command = ['npm run scenario --', ...process.argv.slice(3)].join(' '),
): RunInfo {
  const startedAt = new Date().toISOString();
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    id: `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${process.pid}`,
    startedAt,
    command,
    machine: `${type()} ${release()}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown processor'}, ${memory} GiB`,
    onedrop: VERSIONS.onedrop,
    commit: commit(ROOT),
    seed,
  };
}
