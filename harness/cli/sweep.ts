import { PROVIDERS } from '../../clusters/index.ts';
import { sweepScratches } from '../../clusters/kubernetes/lease/scratch.ts';
import { plural } from '../../reports/words/words.ts';
import type { Swept } from '../contracts/cluster.ts';
import { UsageError } from '../errors.ts';
import { agrees } from './ask.ts';
import { EXIT, print, say } from './exit.ts';
import { configured } from './options.ts';
import { RUNS } from './run-info.ts';
import { findOldRuns, megabytes, type OldRun, parseAge, removeRun } from './runs/old-runs.ts';
import { shownPath } from './typed-path.ts';

/** `onedrop sweep`: removes what killed runs left behind, on every cluster, and old runs when asked to; where it could not look it says so, and does not end with 0. */
export async function sweep(typed: Readonly<Record<string, unknown>>): Promise<void> {
  const { runsOlderThan, yes } = typed;
  const old = typeof runsOlderThan === 'string' ? await oldRuns(runsOlderThan, yes === true) : [];
  let quiet = old.length === 0;
  const tell = (swept: Swept) => {
    tellSwept(swept, print);
    if (swept.unseen.length > 0) process.exitCode = EXIT.unknown;
    quiet &&= swept.removed.length + swept.unseen.length === 0;
  };
  for (const provider of Object.values(PROVIDERS).map((one) => configured(one, typed)))
    tell(await provider.sweep());
  const scratches = await sweepScratches();
  tell({ removed: scratches.map((name) => ({ kind: 'temporary files', name })), unseen: [] });
  for (const run of old) {
    removeRun(run);
    print(`removed run ${told(run)}`);
  }
  if (old.length > 0) print(`removed ${plural(old.length, 'stored run')}, ${megabytes(sum(old))}`);
  if (quiet) print('nothing was left behind');
}

/** Says what was removed by `tell`, and where nobody could look on standard error. */
export function tellSwept({ removed, unseen }: Swept, tell: (text: string) => void): void {
  for (const { kind, name } of removed) tell(`removed ${kind} ${name}, left behind by a run that was killed`);
  for (const { what, why } of unseen) say(`could not look for what was left behind in ${what}: ${why}`);
}

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
