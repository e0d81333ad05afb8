import { PROVIDERS } from '../../clusters/index.ts';
import { sweepScratches } from '../../clusters/kubernetes/lease/scratch.ts';
import { plural } from '../../reports/words/words.ts';
import type { Removed } from '../contracts/cluster.ts';
import { UsageError } from '../errors.ts';
import { agrees } from './ask.ts';
import { print } from './exit.ts';
import { configured } from './options.ts';
import { RUNS } from './run-info.ts';
import { findOldRuns, megabytes, type OldRun, parseAge, removeRun } from './runs/old-runs.ts';
import { shownPath } from './typed-path.ts';

/** `onedrop sweep`: removes what killed runs left behind, on every cluster that is usable here, and old runs when asked to. */
export async function sweep(typed: Readonly<Record<string, unknown>>): Promise<void> {
  const { runsOlderThan, yes } = typed;
  const old = typeof runsOlderThan === 'string' ? await oldRuns(runsOlderThan, yes === true) : [];
  let removed = old.length;
  for (const provider of Object.values(PROVIDERS).map((one) => configured(one, typed))) {
    const { usable } = await provider.preflight();
    if (!usable) continue;
    const found = await provider.sweep();
    removed += found.length;
    tellRemoved(found, print);
  }
  const scratches = await sweepScratches();
  removed += scratches.length;
  tellRemoved(
    scratches.map((name) => ({ kind: 'temporary files', name })),
    print,
  );
  for (const run of old) {
    removeRun(run);
    print(`removed run ${told(run)}`);
  }
  if (old.length > 0) print(`removed ${plural(old.length, 'stored run')}, ${megabytes(sum(old))}`);
  if (removed === 0) print('nothing was left behind');
}

export const tellRemoved = (removed: readonly Removed[], tell: (text: string) => void): void => {
  for (const { kind, name } of removed) tell(`removed ${kind} ${name}, left behind by a run that was killed`);
};

const told = ({ name, began, bytes }: OldRun) =>
  `${name}, begun ${new Date(began).toISOString().slice(0, 10)}, ${megabytes(bytes)}`;

const sum = (runs: readonly OldRun[]) => runs.reduce((total, { bytes }) => total + bytes, 0);

/** The old runs that may go, after asking. @throws UsageError when the age is none, or nobody is there to ask. */
async function oldRuns(age: string, yes: boolean): Promise<readonly OldRun[]> {
  const limit = parseAge(age);
  if (typeof limit === 'string') throw new UsageError([`--runs-older-than ${age || "''"}: ${limit}`]);
  const { old, kept } = findOldRuns(RUNS, limit);
  for (const { name, why } of kept) print(`kept ${name}: ${why}`);
  if (old.length === 0) {
    print(`no run in ${shownPath(RUNS)} is older than ${age}`);
    return [];
  }
  if (yes) return old;
  for (const run of old) print(`to be removed: run ${told(run)}`);
  return (await agrees(`this removes ${plural(old.length, 'stored run')}, ${megabytes(sum(old))},`))
    ? old
    : [];
}
