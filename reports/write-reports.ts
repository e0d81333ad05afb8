import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { junitXml } from './junit.ts';
import { ledgerCsv } from './ledger-csv.ts';
import { renderReport } from './report.ts';
import { reportJson } from './report-json.ts';
import { compressLarge, compressLog } from './stored/compress-log.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { summaryMarkdown } from './summary.ts';

/**
 * Writes every report of a run into `directory` and returns the paths, the page first. The same run gives the same
 * bytes. What is large, the ledger and the run's log where it is in the same folder, is compressed (`.gz`).
 */
export async function writeReports(run: StoredRun, directory: string): Promise<string[]> {
  mkdirSync(directory, { recursive: true });
  const written: string[] = [];
  const write = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    written.push(path);
  };
  write('report.html', renderReport(run));
  write('report.json', `${JSON.stringify(reportJson(run), null, 1)}\n`);
  write('summary.md', summaryMarkdown(run));
  write('junit.xml', junitXml(run));
  const ledger = join(directory, 'ledger.csv');
  await pipeline(Readable.from(lines(ledgerCsv(run))), createWriteStream(ledger));
  // What a report before this one has left.
  rmSync(`${ledger}.gz`, { force: true });
  written.push(await compressLarge(ledger));
  await compressLog(directory);
  return written;
}

/** Line ends added, and lines gathered into pieces that are worth a write. */
function* lines(source: Iterable<string>): Generator<string> {
  let piece = '';
  for (const line of source) {
    piece += `${line}\r\n`;
    if (piece.length < 1 << 16) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}
