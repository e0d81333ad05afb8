import { type CellAnalysis, type CellResult, cellAnalysis } from '../../harness/analyses/analyze.ts';
import { foretoldBy, withPrediction } from '../../harness/analyses/cell-document.ts';
import type { RunInfo } from '../../harness/analyses/run-info.ts';
import {
  type CellHeader,
  EVENT_SCHEMA,
  type Event,
  type Foretold,
  type RunEnd,
  type RunHeader,
  type Timed,
} from '../../harness/contracts/event.ts';
import { storedAxes } from '../../harness/contracts/stored-axes.ts';
import { UsageError } from '../../harness/errors.ts';
import { readLog } from './read-log.ts';
import { readRunInfo } from './run-info.ts';

/** A cell as its log tells it: analysed, or skipped with the reason. */
export type StoredCell =
  | { readonly header: CellHeader; readonly result: CellResult }
  | { readonly header: CellHeader; readonly skipped: string };

export type AnalysedCell = Extract<StoredCell, { result: CellResult }>;

/** A planned cell that nothing is known of, and why. */
export interface Unplayed {
  readonly id: string;
  readonly why: string;
}

/** A finished (or broken-off) run, read from its folder and analysed. */
export interface StoredRun {
  readonly run: RunInfo;
  readonly header: RunHeader;
  /** In the order of the log; predictions (`header.predicts`) among them. */
  readonly cells: readonly StoredCell[];
  /** How the run ended; `missing` where the log breaks off before it says so. */
  readonly ended: RunEnd['outcome'] | 'missing';
  /** Planned cells that were not reached, in the order of the plan. */
  readonly unplayed: readonly Unplayed[];
  /** What was wrong with the log, such as a last line that breaks off. */
  readonly remarks: readonly string[];
}

export const isAnalysed = (cell: StoredCell): cell is AnalysedCell => 'result' in cell;

const NOT_REACHED: Readonly<Record<StoredRun['ended'], string>> = {
  finished: 'it is not in the log',
  interrupted: 'the run was interrupted before it',
  broken: 'the run broke before it',
  missing: 'the log breaks off before it',
};

const quoted = (text: string) => JSON.stringify(text);

/** Collects a run's events, in order, into analysed cells; the same for a log on disk and one just being written. */
export class RunReader {
  header: RunHeader | undefined;
  readonly remarks: string[] = [];
  private readonly finished: StoredCell[] = [];
  private readonly ids = new Set<string>();
  /** What further seeds of predictions came to, by the measured cell's id. */
  private readonly foretold = new Map<string, Foretold[]>();
  private current: { header: CellHeader; analysis: CellAnalysis; ended: boolean } | undefined;
  private end: RunEnd | undefined;
  private cut = false;

  /** @throws UsageError when the log is of a schema that this program does not know, or contradicts itself. */
  add(event: Event): void {
    if (this.end !== undefined) throw damaged(`a line of type ${event.type} stands after the end of the run`);
    if (this.header === undefined && event.type !== 'run')
      throw damaged('the log does not begin with a line of type "run"');
    if ('at' in event) {
      this.addTimed(event);
      return;
    }
    switch (event.type) {
      case 'run':
        this.begin(event);
        return;
      case 'cell':
        this.admit(event.cell);
        this.current = begun(event.cell);
        return;
      case 'skipped':
        this.admit(event.cell);
        this.finished.push({ header: event.cell, skipped: event.why });
        return;
      case 'foretold': {
        this.endCell();
        const { type: _, cell, ...sample } = event;
        this.checkPlanned(cell, 'cell');
        this.foretold.set(cell, [...(this.foretold.get(cell) ?? []), sample]);
        return;
      }
      case 'end':
        this.endCell();
        this.end = event;
    }
  }

  remark(text: string): void {
    if (!this.remarks.includes(text)) this.remarks.push(text);
  }

  /** The log breaks off here: what was being played, and what was still to come, is unknown. */
  breakOff(remark: string): void {
    this.cut = true;
    this.remark(remark);
  }

  /** The run so far. @throws UsageError when no header was read, or a run that finished lacks a planned cell. */
  result(run: RunInfo): StoredRun {
    const whole = this.current === undefined || this.current.ended;
    this.close();
    const { header } = this;
    if (header === undefined) throw damaged('the log does not begin with a line of type "run"');
    // Logs of schema 1 neither name what was planned nor say how the run ended.
    const older = header.cells === undefined && whole && !this.cut ? 'finished' : 'missing';
    const ended = this.cut ? 'missing' : (this.end?.outcome ?? older);
    const predicted = this.finished.flatMap(({ header: { predicts } }) => predicts ?? []);
    const unplayed = [...new Set([...(header.cells ?? []), ...predicted])].filter((id) => !this.ids.has(id));
    if (this.end?.outcome === 'finished' && unplayed.length > 0)
      throw damaged(
        `the run finished, but these planned cells are not in the log: ${unplayed.map(quoted).join(', ')}`,
      );
    return {
      run,
      header,
      cells: withPredictions(this.finished, this.foretold),
      ended,
      unplayed: unplayed.map((id) => ({ id, why: NOT_REACHED[ended === 'finished' ? 'missing' : ended] })),
      remarks: this.remarks,
    };
  }

  private begin(header: RunHeader): void {
    const { schema } = header;
    if (this.header !== undefined) throw damaged('a second line of type "run"');
    if (!Number.isInteger(schema) || schema < 1)
      throw damaged(`schema is ${JSON.stringify(schema)} (allowed: 1 to ${EVENT_SCHEMA})`);
    if (schema > EVENT_SCHEMA)
      throw damaged(
        `this log has schema ${schema}, this program reads up to ${EVENT_SCHEMA}; use a newer onedrop`,
      );
    if (schema >= 2 && header.cells === undefined)
      throw damaged('cells is missing (allowed: the ids of all cells that were planned)');
    const twice = header.cells?.find((id, index) => header.cells?.indexOf(id) !== index);
    if (twice !== undefined) throw damaged(`cells names ${quoted(twice)} twice`);
    this.header = header;
  }

  private addTimed(event: Timed): void {
    const { current } = this;
    if (current === undefined) throw damaged(`a line of type ${event.type} stands outside any cell`);
    if (current.ended)
      throw damaged(`a line of type ${event.type} stands after the end of ${current.header.id}`);
    if (event.type === 'end') current.ended = true;
    current.analysis.fold(event);
  }

  /** A cell begins: it is a planned one or the prediction of one, and there is no other of its name. */
  private admit({ id, predicts, rollsBack }: CellHeader): void {
    this.endCell();
    if (this.ids.has(id)) throw damaged(`cell.id is ${quoted(id)}, as that of a cell before it`);
    for (const [field, named] of Object.entries({ predicts, rollsBack })) {
      if (named === id) throw damaged(`cell.${field} is ${quoted(id)}, which is the cell itself`);
      if (named !== undefined) this.checkPlanned(named, `cell.${field}`);
    }
    if (predicts === undefined) this.checkPlanned(id, 'cell.id');
    else if (this.finished.some(({ header }) => header.predicts === predicts))
      throw damaged(`cell.predicts is ${quoted(predicts)}, which another cell predicts already`);
    this.ids.add(id);
  }

  private checkPlanned(id: string, field: string): void {
    if (this.header?.openEnded === true && field === 'cell.id') return;
    const known = this.header?.openEnded === true ? [...this.ids] : this.header?.cells;
    if (known !== undefined && !known.includes(id))
      throw damaged(`${field} is ${quoted(id)}, which the first line does not name among the planned cells`);
  }

  private endCell(): void {
    if (this.current?.ended === false)
      throw damaged(`cell ${quoted(this.current.header.id)} has no end: lines before this one are missing`);
    this.close();
  }

  private close(): void {
    if (this.current === undefined) return;
    const { header, analysis } = this.current;
    this.finished.push({ header, result: analysis.result() });
    this.current = undefined;
  }
}

/** A cell begins. */
function begun(cell: CellHeader): { header: CellHeader; analysis: CellAnalysis; ended: boolean } {
  const header = { ...cell, axes: storedAxes(cell.axes) };
  return { header, analysis: cellAnalysis(header), ended: false };
}

const damaged = (what: string) => new UsageError([what]);

const isComparable = ({ innocence, document }: CellResult) =>
  innocence.outcome === 'finished' && document.clients > 0;

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
    // What was cut short, on either side, agrees with nothing and contradicts nothing.
    if (!isComparable(cell.result) || !isComparable(prediction)) return cell;
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
 * @throws UsageError when the folder holds no run, or one that is damaged, naming file, line and field.
 */
export async function readRun(directory: string): Promise<StoredRun> {
  const reader = new RunReader();
  const broken = await readLog(directory, (event) => reader.add(event));
  if (broken !== undefined) reader.breakOff(`the log breaks off in line ${broken}, which was left out`);
  const info = readRunInfo(directory);
  try {
    return reader.result(info);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(error.mistakes.map((mistake) => `${directory}: ${mistake}`));
  }
}
