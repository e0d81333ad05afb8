import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Command, CommanderError } from 'commander';
import { compareDocuments } from '../../reports/compare/compare.ts';
import { comparisonHtml } from '../../reports/compare/comparison-html.ts';
import { comparisonMarkdown } from '../../reports/compare/comparison-markdown.ts';
import { readDocuments } from '../../reports/compare/read-documents.ts';
import { readRun } from '../../reports/stored/stored-run.ts';
import { resultDocument, resultTable, runVerdict } from '../../reports/terminal.ts';
import { writeReports } from '../../reports/write-reports.ts';
import { UsageError } from '../errors.ts';

const EXIT = { pass: 0, fail: 1, unknown: 2, usage: 64, broken: 70 } as const;
const RUNS = join(import.meta.dirname, '..', '..', 'reports', 'runs');

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
    const { writePngs } = await import('../../reports/charts/write-png.ts');
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

async function compare(
  baseline: string,
  candidate: string,
  options: { out?: string; format: string },
): Promise<void> {
  if (!['markdown', 'json'].includes(options.format))
    throw new UsageError([`--format ${options.format}: must be markdown or json`]);
  const names = { baseline, candidate };
  const [before, after] = [await readDocuments(baseline), await readDocuments(candidate)];
  const comparison = compareDocuments(before, after);
  const markdown = comparisonMarkdown(comparison, names);
  if (options.out !== undefined) {
    mkdirSync(options.out, { recursive: true });
    writeFileSync(join(options.out, 'comparison.html'), comparisonHtml(comparison, names));
    writeFileSync(join(options.out, 'comparison.md'), markdown);
    writeFileSync(join(options.out, 'comparison.json'), `${JSON.stringify(comparison, null, 1)}\n`);
  }
  print(options.format === 'json' ? JSON.stringify(comparison, null, 2) : markdown);
  process.exitCode = EXIT[comparison.verdict];
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
program
  .command('compare <baseline> <candidate>')
  .description(
    'Compares two runs, or two folders of runs: exit code 0 nothing is worse, 1 something is, 2 not enough runs to tell.',
  )
  .option('--out <dir>', 'writes comparison.html, comparison.md and comparison.json there')
  .option('--format <format>', 'markdown or json', 'markdown')
  .action(compare);
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
