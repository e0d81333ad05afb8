import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type CellAnalysis, type CellResult, cellAnalysis } from '../../harness/analyses/analyze.ts';
import { foretoldBy, withPrediction } from '../../harness/analyses/cell-document.ts';
import { RunInfo } from '../../harness/analyses/run-info.ts';
import {
  type CellHeader,
  EVENT_SCHEMA,
  type Event,
  type Foretold,
  type RunHeader,
} from '../../harness/contracts/event.ts';
import { UsageError } from '../../harness/errors.ts';

/** A cell as its log tells it: analysed, or skipped with the reason. */
export type StoredCell =
  | { readonly header: CellHeader; readonly result: CellResult }
  | { readonly header: CellHeader; readonly skipped: string };

export type AnalysedCell = Extract<StoredCell, { result: CellResult }>;

/** A finished (or broken-off) run, read from its folder and analysed. */
export interface StoredRun {
  readonly run: RunInfo;
  readonly header: RunHeader;
  /** In the order of the log; predictions (`header.predicts`) among them. */
  readonly cells: readonly StoredCell[];
  /** What was wrong with the log, such as a last line that breaks off. */
  readonly remarks: readonly string[];
}

export const isAnalysed = (cell: StoredCell): cell is AnalysedCell => 'result' in cell;

/** Collects a run's events, in order, into analysed cells; the same for a log on disk and one just being written. */
export class RunReader {
  header: RunHeader | undefined;
  readonly remarks: string[] = [];
  private readonly finished: StoredCell[] = [];
  /** What further seeds of predictions came to, by the measured cell's id. */
  private readonly foretold = new Map<string, Foretold[]>();
  private current: { header: CellHeader; analysis: CellAnalysis } | undefined;

  /** @throws UsageError when the log is of a newer schema than this program knows. */
  add(event: Event): void {
    if ('at' in event) {
      if (this.current === undefined) this.remark('events outside any cell were left out');
      else this.current.analysis.fold(event);
      return;
    }
    switch (event.type) {
      case 'run':
        if (event.schema > EVENT_SCHEMA)
          throw new UsageError([
            `this log has schema ${event.schema}, this program reads up to ${EVENT_SCHEMA}; use a newer onedrop`,
          ]);
        this.header = event;
        return;
      case 'cell':
        this.endCell();
        this.current = { header: event.cell, analysis: cellAnalysis(event.cell) };
        return;
      case 'skipped':
        this.endCell();
        this.finished.push({ header: event.cell, skipped: event.why });
        return;
      case 'foretold': {
        const { type: _, cell, ...sample } = event;
        this.foretold.set(cell, [...(this.foretold.get(cell) ?? []), sample]);
        return;
      }
    }
  }

  remark(text: string): void {
    if (!this.remarks.includes(text)) this.remarks.push(text);
  }

  /** The run so far. @throws UsageError when no header was read. */
  result(run: RunInfo): StoredRun {
    this.endCell();
    if (this.header === undefined) throw new UsageError(['the log does not begin with a line of type "run"']);
    return {
      run,
      header: this.header,
      cells: withPredictions(this.finished, this.foretold),
      remarks: this.remarks,
    };
  }

  private endCell(): void {
    if (this.current === undefined) return;
    const { header, analysis } = this.current;
    this.finished.push({ header, result: analysis.result() });
    this.current = undefined;
  }
}

/** Sets beside each measured cell what its prediction said, with all its seeds. */
function withPredictions(
  cells: readonly StoredCell[],
  foretold: ReadonlyMap<string, readonly Foretold[]>,
): StoredCell[] {
  const predictions = new Map(
    cells.flatMap((cell) =>
      isAnalysed(cell) && cell.header.predicts !== undefined
        ? [[cell.header.predicts, cell.result] as const]
        : [],
    ),
  );
  return cells.map((cell) => {
    const prediction = predictions.get(cell.header.id);
    if (prediction === undefined || !isAnalysed(cell)) return cell;
    const document = withPrediction(cell.result.document, [
      foretoldBy(prediction.document),
      ...(foretold.get(cell.header.id) ?? []),
    ]);
    return { header: cell.header, result: { ...cell.result, document } };
  });
}

/**
 * Reads `run.json` and `events.jsonl` (or `events.jsonl.gz`) of a run's folder, line by line, and analyses it.
 * A last line that breaks off, as a killed run leaves it, is left out with a remark.
 * @throws UsageError when the folder holds no run, or a line in the middle is not JSON.
 */
export async function readRun(directory: string): Promise<StoredRun> {
  const reader = new RunReader();
  let number = 0;
  let broken: number | undefined;
  for await (const line of createInterface({
    input: openLog(directory),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number++;
    if (line === '') continue;
    if (broken !== undefined)
      throw new UsageError([`${directory}: line ${broken} of the event log is not JSON; the log is damaged`]);
    let event: Event;
    try {
      event = JSON.parse(line) as Event;
    } catch {
      broken = number;
      continue;
    }
    reader.add(event);
  }
  if (broken !== undefined) reader.remark(`the log breaks off in line ${broken}, which was left out`);
  return reader.result(readRunInfo(directory));
}

function openLog(directory: string): Readable {
  const plain = join(directory, 'events.jsonl');
  if (existsSync(plain)) return createReadStream(plain);
  if (existsSync(`${plain}.gz`)) return createReadStream(`${plain}.gz`).pipe(createGunzip());
  throw new UsageError([`${directory} holds no run: there is neither events.jsonl nor events.jsonl.gz`]);
}

function readRunInfo(directory: string): RunInfo {
  const path = join(directory, 'run.json');
  if (!existsSync(path)) throw new UsageError([`${directory} holds no run: there is no run.json`]);
  const read = RunInfo.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (!read.success)
    throw new UsageError(
      read.error.issues.map((issue) => `${path}: ${issue.path.join('.')}: ${issue.message}`),
    );
  return read.data;
}
