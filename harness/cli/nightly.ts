/**
 * `npm run nightly`: what the nightly workflow does, on this machine and the embedded clusters. Plays the strategies
 * with several seeds, compares the result with the last good run, and makes the new run the baseline when nothing
 * got worse.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';

const ROOT = join(import.meta.dirname, '..', '..');
const OUTCOMES: Readonly<Record<number, string>> = {
  0: 'nothing is worse',
  1: 'something is worse',
  2: 'not enough runs to tell',
};

/** Runs one of the project's own programs to its end, showing what it says; its exit code. */
const program = (...words: string[]) =>
  new Promise<number>((resolve, reject) => {
    const child = spawn(process.execPath, words, { cwd: ROOT, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 70));
  });

const command = new Command('nightly')
  .description('Plays the strategies with several seeds and compares them with the last good run.')
  .argument(
    '[strategy...]',
    'strategies to play (default: those of npm run scenario), and after a -- options of npm run scenario',
  )
  .option('--cluster <name>', 'where to play', 'sim')
  .option('--repeat <N>', 'seeds of each cell', '20')
  .option('--clients <N>', 'simulated clients of a cell', '500')
  .option('--baseline <dir>', 'the last good run', join('reports', 'runs', 'baseline'))
  .option(
    '--out <dir>',
    'where this run is written (must not exist)',
    join('reports', 'runs', `nightly-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}`),
  )
  .addHelpText(
    'after',
    '\nExit codes: 0 nothing is worse (or the first run), 1 something is, 2 cannot be told, 70 broken.',
  )
  .parse();

const { cluster, repeat, clients, baseline, out } =
  command.opts<Record<'cluster' | 'repeat' | 'clients' | 'baseline' | 'out', string>>();
/** Strategies come before the options that are passed on. */
const passedOn = command.args.findIndex((word) => word.startsWith('-'));
const strategies = passedOn < 0 ? command.args : command.args.slice(0, passedOn);
const more = passedOn < 0 ? [] : command.args.slice(passedOn);
const say = (text: string) => process.stderr.write(`${text}\n`);

const played = await program(
  join('harness', 'cli.ts'),
  'scenario',
  ...strategies,
  ...(more.includes('--policy') || strategies.length === 0 ? [] : ['--policy', 'Cluster,Local']),
  ...['--cluster', cluster, '--repeat', repeat, '--clients', clients, '--out', out],
  ...more,
);
if (played > 2) {
  say(`the run itself did not come to a result (exit code ${played})`);
  process.exitCode = played;
} else if (!existsSync(baseline)) {
  keep();
  say(`no baseline in ${baseline} yet: this run is the first one`);
} else {
  const compared = await program(
    join('reports', 'cli.ts'),
    'compare',
    baseline,
    out,
    '--out',
    join(out, 'comparison'),
  );
  say(OUTCOMES[compared] ?? `the comparison broke (exit code ${compared})`);
  if (compared === 0) keep();
  process.exitCode = compared;
}

/** Makes this run the last good one. */
function keep(): void {
  rmSync(baseline, { recursive: true, force: true });
  mkdirSync(join(baseline, '..'), { recursive: true });
  cpSync(out, baseline, { recursive: true });
}
