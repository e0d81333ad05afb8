import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { EXIT, say } from './exit.ts';
import { RUNS } from './run-info.ts';
import { keep, recover } from './runs/baseline.ts';
import { foreignEntry } from './runs/runs.ts';
import { refusesOut, shownPath, typedPath } from './typed-path.ts';

const OUTCOMES: Readonly<Record<number, string>> = {
  0: 'nothing is worse',
  1: 'something is worse',
  2: 'not enough runs to tell',
};

/**
 * `onedrop nightly`: what the nightly workflow does, on this machine and the embedded clusters. Plays the strategies
 * with several seeds, compares the result with the last good run, and makes the new run the baseline when it is good
 * and nothing got worse.
 */
export const nightlyCommand = (): Command =>
  new Command('nightly')
    .description('Plays the strategies with several seeds and compares them with the last good run.')
    .argument(
      '[strategy...]',
      'strategies to play (default: those of npm run scenario), and after a -- options of npm run scenario',
    )
    .option('--cluster <name>', 'where to play', 'sim')
    .option('--repeat <N>', 'seeds of each cell', '20')
    .option('--clients <N>', 'simulated clients of a cell', '500')
    .option('--baseline <dir>', "the last good run's folder (default: reports/runs/baseline)")
    .option('--out <dir>', 'where this run is written (must not exist; default: reports/runs/nightly-<time>)')
    .option(
      '--accept',
      'cells that fail are known to, as seventy-thirty with Local: a run with such cells may become the baseline',
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing is worse (or the first run, and it is good), 1 something is, 2 cannot be told, 64 usage, 70 broken.\nOnly a good run becomes the baseline: one whose every cell passes, or with --accept passes or fails; never one with an unknown cell.',
    )
    .action(nightly);

interface NightlyOptions {
  readonly cluster: string;
  readonly repeat: string;
  readonly clients: string;
  readonly baseline?: string;
  readonly out?: string;
  readonly accept?: true;
}

async function nightly(words: readonly string[], options: NightlyOptions): Promise<void> {
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  const out = options.out === undefined ? join(RUNS, `nightly-${time}`) : typedPath(options.out);
  const baseline = options.baseline === undefined ? join(RUNS, 'baseline') : typedPath(options.baseline);
  const mistakes = [
    ...refusal('--out', options.out, refusesOut(out)),
    ...refusal('--baseline', options.baseline, refusesBaseline(baseline, out)),
  ];
  if (mistakes.length > 0) throw new UsageError(mistakes);
  recover(baseline);
  const played = await play(words, options, out);
  const isGood = played === EXIT.pass || (played === EXIT.fail && options.accept === true);
  if (played > EXIT.unknown) {
    say(`the run itself did not come to a result (exit code ${played})`);
    process.exitCode = played;
  } else if (!existsSync(baseline)) {
    if (isGood) keep(out, baseline);
    const became = isGood
      ? 'this run is the first one'
      : `and this run did not pass, so it is none${played === EXIT.fail ? '; if its cells are known to fail, say --accept' : ''}`;
    say(`no baseline in ${shownPath(baseline)} yet: ${became}`);
    process.exitCode = isGood ? EXIT.pass : played;
  } else {
    const compared = await program('compare', baseline, out, '--out', join(out, 'comparison'));
    say(OUTCOMES[compared] ?? `the comparison broke (exit code ${compared})`);
    if (compared === EXIT.pass && isGood) keep(out, baseline);
    process.exitCode = compared;
  }
}

const refusal = (option: string, typed: string | undefined, why: string | undefined): string[] =>
  why === undefined ? [] : [`${option} ${typed ?? '(by default)'}: ${why}`];

/** Strategies come before the options that are passed on. */
function play(
  words: readonly string[],
  { cluster, repeat, clients }: NightlyOptions,
  out: string,
): Promise<number> {
  const passedOn = words.findIndex((word) => word.startsWith('-'));
  const strategies = passedOn < 0 ? words : words.slice(0, passedOn);
  const more = passedOn < 0 ? [] : words.slice(passedOn);
  const policy = more.includes('--policy') || strategies.length === 0 ? [] : ['--policy', 'Cluster,Local'];
  const size = ['--cluster', cluster, '--repeat', repeat, '--clients', clients, '--out', out];
  return program('scenario', ...strategies, ...policy, ...size, ...more);
}

/** Runs a verb of this very program to its end, showing what it says; its exit code. */
const program = (...words: string[]) =>
  new Promise<number>((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...words], {
      stdio: 'inherit',
    });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? EXIT.broken));
  });

/** Why a folder must not be taken for, or replaced as, the last good run; undefined where it may. */
export function refusesBaseline(baseline: string, out: string): string | undefined {
  const contains = (folder: string, path: string) => !relative(folder, path).startsWith('..');
  if (contains(baseline, out) || contains(out, baseline))
    return `must lie apart from --out ${shownPath(out)}`;
  if (!existsSync(baseline)) return refusesOut(baseline);
  const entries = readdirSync(baseline);
  if (!entries.includes('run.json')) return "is not a run's folder: it holds no run.json";
  const foreign = foreignEntry(entries);
  return foreign === undefined ? undefined : `holds ${foreign}, which is no file of a run`;
}
