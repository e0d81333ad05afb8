import { resultDocument, runVerdict } from '../../reports/result/result-document.ts';
import { readRun } from '../../reports/stored/stored-run.ts';
import { resultTable } from '../../reports/terminal.ts';
import { writeReports } from '../../reports/write-reports.ts';
import { UsageError } from '../errors.ts';
import { checkOut, oneOf } from './checks.ts';
import { EXIT, print, say } from './exit.ts';
import { runDirectory } from './runs/runs.ts';
import { shownPath, typedPath } from './typed-path.ts';

/** What an earlier report may have left in a folder. */
const REPORT_FILES = [
  'report.html',
  'report.json',
  'summary.md',
  'junit.xml',
  'ledger.csv',
  'ledger.csv.gz',
  'charts',
];

/** `onedrop report`: renders all reports of a stored run again. */
export async function report(name: string, options: { png: boolean; out?: string }): Promise<void> {
  const mistakes: string[] = [];
  checkOut(options.out, mistakes, (entry) => REPORT_FILES.includes(entry));
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const directory = runDirectory(name);
  const out = options.out === undefined ? directory : typedPath(options.out);
  const run = await readRun(directory);
  const files = await writeReports(run, out);
  if (options.png) {
    const { writePngs } = await import('../../reports/charts/write-png.ts');
    const pictures = await writePngs(run, out);
    if (pictures === undefined) say('no pictures: npm install chartjs-node-canvas draws them');
    files.push(...(pictures ?? []));
  }
  for (const remark of run.remarks) say(remark);
  print(files.map(shownPath).join('\n'));
  process.exitCode = EXIT[runVerdict(run)];
}

/** `onedrop analyze`: analyses the event log of a stored run again and prints the result. */
export async function analyze(name: string, options: { format: string }): Promise<void> {
  const mistakes: string[] = [];
  oneOf('format', options.format, ['text', 'json'], mistakes);
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const run = await readRun(runDirectory(name));
  for (const remark of run.remarks) say(remark);
  print(options.format === 'json' ? JSON.stringify(resultDocument(run), null, 2) : resultTable(run));
  process.exitCode = EXIT[runVerdict(run)];
}
