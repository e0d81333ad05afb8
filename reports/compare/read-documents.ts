import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { UsageError } from '../../harness/errors.ts';
import { REPORT_SCHEMA, type ResultDocument, resultDocument } from '../result/result-document.ts';
import { readJson } from '../stored/read-json.ts';
import { readRun } from '../stored/stored-run.ts';

const holdsLog = (directory: string) =>
  existsSync(join(directory, 'events.jsonl')) || existsSync(join(directory, 'events.jsonl.gz'));

/**
 * The cells of a run's folder, or of all runs in a folder of runs. Analysed from the event log where there is one,
 * so that old runs are judged by today's analyses; else as report.json has them.
 * @throws UsageError when there is neither.
 */
export async function readDocuments(directory: string): Promise<CellDocument[]> {
  if (existsSync(join(directory, 'run.json')) && holdsLog(directory))
    return [...resultDocument(await readRun(directory)).cells];
  const report = join(directory, 'report.json');
  if (existsSync(report)) {
    const document = readJson(report) as ResultDocument;
    if (document?.schema !== REPORT_SCHEMA || !Array.isArray(document.cells))
      throw new UsageError([
        `${report}: has schema ${JSON.stringify(document?.schema)} and ${Array.isArray(document?.cells) ? '' : 'no '}cells, this program reads ${REPORT_SCHEMA} with cells`,
      ]);
    return [...document.cells];
  }
  const inside = existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => join(directory, name))
        .filter((folder) => holdsLog(folder) || existsSync(join(folder, 'report.json')))
        .sort()
    : [];
  if (inside.length === 0)
    throw new UsageError([
      `${directory} holds neither a run (events.jsonl, report.json) nor folders of runs`,
    ]);
  const cells: CellDocument[] = [];
  for (const folder of inside) cells.push(...(await readDocuments(folder)));
  return cells;
}
