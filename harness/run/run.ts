import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReleaseLength } from '../analyses/release-length.ts';
import type { RunInfo } from '../analyses/run-info.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { CellHeader, Event, RunEnd, RunHeader } from '../contracts/event.ts';
import { EVENT_SCHEMA } from '../contracts/event.ts';
import { EventLog } from '../log/event-log.ts';
import { OrderedParts } from '../log/ordered-parts.ts';
import { foretell } from './foretell.ts';
import type { PlannedCell } from './plan.ts';
import type { Played, Status } from './play.ts';
import { play } from './play.ts';

/** Told what happens while it happens, of several cells at once where they are played side by side; the CLI prints it. */
export interface RunAudience {
  begin(cell: PlannedCell, place: { index: number; of: number; predicting: boolean }): void;
  watch(cell: PlannedCell, status: Status): void;
  end(cell: PlannedCell, played: Played): void;
  skipped(cell: PlannedCell): void;
}

export interface RunOptions {
  readonly cells: readonly PlannedCell[];
  /** Plays the prediction of every measured cell; undefined: no predictions. */
  readonly predictor: Provider | undefined;
  readonly info: RunInfo;
  readonly versions: Readonly<Record<string, string>>;
  /** The run's own directory, made here. */
  readonly directory: string;
  readonly speed?: number;
  readonly signal: AbortSignal;
  /** Plays a cell in another process, as `play` does in this one; needed where a provider has lanes. */
  readonly playApart?: typeof play;
  readonly audience: RunAudience;
  /** Sees every event right after it was logged. */
  readonly observe: (event: Event) => void;
}

/** Characters the log may hold back on a simulated run, which can be repeated; a measured one writes at once. */
const SIMULATED_BUFFER = 1 << 18;

/**
 * One run: plays every cell in turn, a measured one after its prediction, into one log in this order, also where the
 * provider has lanes and cells are played side by side. Returns how it ended;
 * the log is complete up to there in any case, and names what was planned whether it was played or not.
 */
export async function run(options: RunOptions): Promise<RunEnd['outcome']> {
  const { cells, directory, info, versions } = options;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'run.json'), `${JSON.stringify(info, null, 2)}\n`);
  const measured = cells.some(({ provider }) => provider.evidence === 'measured');
  using log = new EventLog(join(directory, 'events.jsonl'), measured ? 0 : SIMULATED_BUFFER);
  const record = (event: Event) => {
    log.append(event);
    options.observe(event);
  };
  const { seed, commit } = info;
  record({
    type: 'run',
    schema: EVENT_SCHEMA,
    seed,
    commit,
    versions,
    cells: cells.map(({ id }) => id),
  } satisfies RunHeader);
  let outcome: RunEnd['outcome'] = 'broken';
  try {
    outcome = await playAll(options, record);
  } finally {
    record({ type: 'end', outcome });
  }
  return outcome;
}

async function playAll(options: RunOptions, record: (event: Event) => void): Promise<RunEnd['outcome']> {
  const { cells, predictor, directory, audience, info, speed, playApart } = options;
  const outcomes = new Set<Played['outcome']>();
  const lengths = new Map<string, ReleaseLength>();
  const parts = new OrderedParts(record, directory);
  /** By id, of cells that have begun in a lane. */
  const lanes = new Map<string, Promise<void>>();
  const broke = new AbortController();
  const signal = AbortSignal.any([options.signal, broke.signal]);
  const perform = async (
    cell: PlannedCell,
    index: number,
    log: (event: Event) => void,
    { predicts, apart = false }: { predicts?: string; apart?: boolean } = {},
  ) => {
    const length = new ReleaseLength();
    if (predicts === undefined) lengths.set(cell.id, length);
    audience.begin(cell, { index, of: cells.length, predicting: predicts !== undefined });
    const played = await (apart && playApart ? playApart : play)(cell, {
      name: `${info.id}-${index}`,
      directory,
      signal,
      audience: { watch: (status) => audience.watch(cell, status) },
      record: (event) => {
        length.observe(event);
        log(event);
      },
      ...(speed === undefined ? {} : { speed }),
      ...(predicts === undefined ? {} : { predicts }),
    });
    outcomes.add(played.outcome);
    audience.end(cell, played);
  };
  try {
    for (const [index, planned] of cells.entries()) {
      const places = placesFor(planned, options);
      // One that needs the whole machine, or the length of another one, waits for it.
      if (places === undefined) await Promise.all(lanes.values());
      else if (planned.rollsBack !== undefined) await lanes.get(planned.rollsBack.id);
      const cell = interrupted(planned, lengths);
      const part = parts.open();
      if (cell.skip !== undefined) {
        part.record({ type: 'skipped', cell: skippedHeader(cell), why: cell.skip });
        audience.skipped(cell);
        part.end();
        continue;
      }
      if (cell.provider.evidence === 'measured' && predictor !== undefined && !signal.aborted) {
        await perform({ ...cell, provider: predictor }, index, part.record, { predicts: cell.id });
        const name = `${info.id}-${index}`;
        for await (const event of foretell(cell, predictor, { name, directory, signal })) part.record(event);
      }
      while (places !== undefined && lanes.size >= places) await Promise.race(lanes.values());
      if (signal.aborted) {
        outcomes.add('interrupted');
        break;
      }
      if (places === undefined) {
        await perform(cell, index, part.record);
        part.end();
        continue;
      }
      const lane = perform(cell, index, part.record, { apart: true })
        .then(() => part.end())
        .finally(() => lanes.delete(cell.id));
      // Whoever waits for a lane next is told; nobody may wait for one just now.
      lane.catch(() => {});
      lanes.set(cell.id, lane);
    }
    await Promise.all(lanes.values());
  } finally {
    broke.abort();
    await Promise.allSettled(lanes.values());
    parts.end();
  }
  return outcomes.has('broken') ? 'broken' : outcomes.has('interrupted') ? 'interrupted' : 'finished';
}

/** How many cells may be played at once where this one is; undefined: it is played here, alone. */
function placesFor(
  { provider, skip }: PlannedCell,
  { cells, playApart, speed }: RunOptions,
): number | undefined {
  if (skip !== undefined || playApart === undefined) return undefined;
  const beside = cells.filter((cell) => cell.provider === provider && cell.skip === undefined);
  return provider.lanes?.(
    beside.map(({ axes }) => axes),
    speed,
  );
}

/** A cell that rolls another one back is interrupted when a share of that one's release, as just played, is over. */
function interrupted(cell: PlannedCell, lengths: ReadonlyMap<string, ReleaseLength>): PlannedCell {
  if (cell.rollsBack === undefined) return cell;
  const { id, share } = cell.rollsBack;
  const length = lengths.get(id)?.length;
  if (length === undefined) return { ...cell, skip: `${id} did not finish, so that nobody knows its half` };
  return { ...cell, axes: { ...cell.axes, rollbackAfter: Math.round(share * length) } };
}

const skippedHeader = ({
  id,
  title,
  strategy,
  provider,
  axes,
  seed,
  variant,
  rollsBack,
}: PlannedCell): CellHeader => ({
  id,
  ...(title === undefined ? {} : { title }),
  strategy: strategy.name,
  question: strategy.question,
  cluster: provider.name,
  evidence: provider.evidence,
  axes,
  seed,
  kind: strategy.kind ?? 'release',
  requires: strategy.requires(axes),
  ...(variant === undefined ? {} : { variant }),
  ...(rollsBack === undefined ? {} : { rollsBack: rollsBack.id }),
  speed: null,
  facts: {},
});
