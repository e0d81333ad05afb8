import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command, CommanderError } from 'commander';
import { UsageError } from '../harness/errors.ts';
import { readRun } from './stored-run.ts';
import { resultDocument, resultTable, runVerdict } from './terminal.ts';
import { writeReports } from './write-reports.ts';

const EXIT = { pass: 0, fail: 1, unknown: 2, usage: 64, broken: 70 } as const;
const RUNS = join(import.meta.dirname, 'runs');

const print = (text: string) => void process.stdout.write(`${text}\n`);

/** A run's folder from what was typed: a path, the name of a run in reports/runs, or `last`. */
function runDirectory(name: string): string {
  const runs = () => (existsSync(RUNS) ? readdirSync(RUNS).sort() : []);
  if (name === 'last') {
    const last = runs().at(-1);
    if (last === undefined) throw new UsageError(['there is no stored run yet; npm run scenario makes one']);
    return join(RUNS, last);
  }
  const found = [name, join(RUNS, name)].find((path) => existsSync(join(path, 'run.json')));
  if (found === undefined)
    throw new UsageError([
      `${name}: neither a run's folder nor the name of a run in ${relative(process.cwd(), RUNS)}`,
    ]);
  return found;
}

async function report(name: string, options: { png: boolean; out?: string }): Promise<void> {
  const directory = runDirectory(name);
  const run = await readRun(directory);
  const files = await writeReports(run, options.out ?? directory);
  if (options.png) {
    const { writePngs } = await import('./charts/write-png.ts');
    files.push(...writePngs(run, options.out ?? directory));
  }
  print(files.map((file) => relative(process.cwd(), file)).join('\n'));
}

async function analyze(name: string, options: { format: string }): Promise<void> {
  if (!['text', 'json'].includes(options.format))
    throw new UsageError([`--format ${options.format}: must be text or json`]);
  const run = await readRun(runDirectory(name));
  for (const remark of run.remarks) process.stderr.write(`${remark}\n`);
  print(options.format === 'json' ? JSON.stringify(resultDocument(run), null, 2) : resultTable(run));
  process.exitCode = EXIT[runVerdict(run)];
}

const program = new Command('onedrop');
program
  .command('report <run>')
  .description('Renders all reports of a stored run again; <run> is its folder, its name, or last.')
  .option('--out <dir>', "another folder than the run's own")
  .option('--no-png', 'leaves out the charts as pictures')
  .action(report);
program
  .command('analyze <run>')
  .description('Analyses the event log of a stored run again and prints the result.')
  .option('--format <format>', 'text or json', 'text')
  .action(analyze);
for (const command of [program, ...program.commands])
  command.exitOverride().configureOutput({ outputError: () => {} });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = 0;
  else if (error instanceof UsageError || error instanceof CommanderError) {
    const mistakes = error instanceof UsageError ? error.mistakes : [error.message.replace(/^error: /, '')];
    process.stderr.write(`${mistakes.map((mistake) => `error: ${mistake}`).join('\n')}\n`);
    process.exitCode = EXIT.usage;
  } else {
    process.stderr.write(
      `onedrop broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT.broken;
  }
}
