import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReleaseLength } from '../analyses/release-length.ts';
import type { RunInfo } from '../analyses/run-info.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { CellHeader, Event, RunEnd, RunHeader } from '../contracts/event.ts';
import { EVENT_SCHEMA } from '../contracts/event.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { EventLog } from '../log/event-log.ts';
import { foretell } from './foretell.ts';
import type { PlannedCell } from './plan.ts';
import type { Played } from './play.ts';
import { play } from './play.ts';

/** Told what happens while it happens; the CLI prints it. */
export interface RunAudience {
  begin(cell: PlannedCell, place: { index: number; of: number; predicting: boolean }): void;
  watch(status: { now: number; step: string; fleet: Fleet | undefined }): void;
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
  readonly audience: RunAudience;
  /** Sees every event right after it was logged. */
  readonly observe: (event: Event) => void;
}

/** Characters the log may hold back on a simulated run, which can be repeated; a measured one writes at once. */
const SIMULATED_BUFFER = 1 << 18;

/**
 * One run: plays every cell in turn, a measured one after its prediction, into one log. Returns how it ended;
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

async function playAll(
  { cells, predictor, directory, signal, audience, info, speed }: RunOptions,
  record: (event: Event) => void,
): Promise<RunEnd['outcome']> {
  const outcomes = new Set<Played['outcome']>();
  const lengths = new Map<string, ReleaseLength>();
  const perform = async (cell: PlannedCell, index: number, predicts?: string) => {
    const length = new ReleaseLength();
    if (predicts === undefined) lengths.set(cell.id, length);
    audience.begin(cell, { index, of: cells.length, predicting: predicts !== undefined });
    const played = await play(cell, {
      name: `${info.id}-${index}`,
      directory,
      signal,
      audience,
      record: (event) => {
        length.observe(event);
        record(event);
      },
      ...(speed === undefined ? {} : { speed }),
      ...(predicts === undefined ? {} : { predicts }),
    });
    outcomes.add(played.outcome);
    audience.end(cell, played);
  };
  for (const [index, planned] of cells.entries()) {
    const cell = interrupted(planned, lengths);
    if (cell.skip !== undefined) {
      record({ type: 'skipped', cell: skippedHeader(cell), why: cell.skip });
      audience.skipped(cell);
      continue;
    }
    if (cell.provider.evidence === 'measured' && predictor !== undefined && !signal.aborted) {
      await perform({ ...cell, provider: predictor }, index, cell.id);
      const name = `${info.id}-${index}`;
      for await (const event of foretell(cell, predictor, { name, directory, signal })) record(event);
    }
    if (signal.aborted) {
      outcomes.add('interrupted');
      break;
    }
    await perform(cell, index);
  }
  return outcomes.has('broken') ? 'broken' : outcomes.has('interrupted') ? 'interrupted' : 'finished';
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
  strategy,
  provider,
  axes,
  seed,
  variant,
  rollsBack,
}: PlannedCell): CellHeader => ({
  id,
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
