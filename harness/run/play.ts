import { isLimited } from '../analyses/capacity/capacity.ts';
import { speedUnheeded } from '../analyses/warnings.ts';
import { gatewayFact } from '../config/own-gateway.ts';
import type { Axes } from '../contracts/axes.ts';
import type { Cluster, RunContext } from '../contracts/cluster.ts';
import type { CellHeader, Event, Outcome, TimedEvent } from '../contracts/event.ts';
import type { Stage, Strategy } from '../contracts/scenario.ts';
import { InterruptedError, NotReachedError, ReleaseFailedError } from '../errors.ts';
import { Fleet, type FleetCounts } from '../fleet/fleet.ts';
import { Whereabouts } from '../fleet/pod-by-version.ts';
import { Random } from '../statistics/random.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import type { PlannedCell } from './plan.ts';
import { createStage, type OwnStage, type Phase } from './stage.ts';

/** How one cell ended; whatever the outcome, its log is closed by an `end` event and its cluster is gone. */
export interface Played {
  readonly outcome: Outcome;
  /** Set when it was not finished. */
  readonly error?: Error;
}

/** Where a cell is; without counts, there are no clients yet. */
export interface Status {
  readonly now: Millis;
  readonly step: string;
  readonly counts: FleetCounts | undefined;
}

/** What the player tells its audience while a cell runs. */
interface Audience {
  /** Called about ten times a real second at most, and at each step. */
  watch(status: Status): void;
}

export interface PlayOptions {
  readonly name: string;
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly speed?: number;
  readonly predicts?: string;
  record(event: Event): void;
  readonly audience: Audience;
}

/** Plays one cell on its cluster: opens it, performs the strategy before its clients, and removes it. */
export async function play(cell: PlannedCell, options: PlayOptions): Promise<Played> {
  const context: RunContext = {
    record: options.record,
    random: new Random(cell.seed),
    directory: options.directory,
    signal: options.signal,
    ...(options.speed === undefined ? {} : { speed: options.speed }),
  };
  // What the cluster sees while it opens is logged after the cell's header, which needs the open cluster's facts.
  const early: Event[] = [];
  let sink = (event: Event): void => {
    early.push(event);
  };
  const own = ownStage(cell);
  const pods = new Whereabouts();
  let cluster: Cluster | undefined;
  let now = () => 0;
  let played: Played;
  try {
    cluster = await cell.provider.open(
      { axes: cell.axes, name: options.name, ...(own === undefined ? {} : { own: own.config }) },
      {
        ...context,
        record: (event) => {
          pods.observe(event);
          sink(event);
        },
      },
    );
    now = () => cluster?.clock.now() ?? 0;
    options.record({ type: 'cell', cell: header(cell, cluster, options) });
    for (const event of early) options.record(event);
    sink = options.record;
    played = await perform(cell, cluster, context, options.audience, own && { ...own, pods });
  } catch (error) {
    if (cluster === undefined) {
      options.record({ type: 'cell', cell: header(cell, undefined, options) });
      for (const event of early) options.record(event);
    }
    played = failed(error, options.signal);
    if (played.outcome === 'broken' || played.outcome === 'failed')
      await cluster?.collect(options.directory).catch(() => {});
  }
  // The log ends before the cluster does: what dies in the clean-up is no finding.
  const end = now();
  sink = () => {};
  const { outcome, error } = played;
  options.record({
    at: end,
    type: 'end',
    outcome,
    ...(error === undefined ? {} : { why: error.message }),
  });
  try {
    await cluster?.[Symbol.asyncDispose]();
  } catch (error) {
    // What was found stays found, and is reported; but something of the cluster may be left behind.
    return { outcome: 'broken', error: played.error ?? (error as Error) };
  }
  return played;
}

/** The user's own gateway, where the cell's cluster runs it. */
function ownStage({ own, provider: { runs } }: PlannedCell): OwnStage | undefined {
  return own === undefined || runs === undefined ? undefined : { config: own, runs };
}

function failed(error: unknown, signal: AbortSignal): Played {
  const reason = error instanceof Error ? error : new Error(String(error));
  if (signal.aborted || reason instanceof InterruptedError) return { outcome: 'interrupted', error: reason };
  return { outcome: reason instanceof ReleaseFailedError ? 'failed' : 'broken', error: reason };
}

/** The first line of a cell; `cluster` is undefined where it could not be opened. */
export function header(
  cell: PlannedCell,
  cluster: Cluster | undefined,
  { predicts, speed: typed }: Pick<PlayOptions, 'predicts' | 'speed'>,
): CellHeader {
  const speed = cluster?.clock.speed ?? 1;
  // A prediction is played as fast as it can be, whatever was typed for what it predicts.
  const ignored =
    cluster === undefined || typed === undefined || predicts !== undefined
      ? undefined
      : speedUnheeded(typed, cell.provider.name, speed);
  const warnings = [...(cell.warnings ?? []), ...(ignored === undefined ? [] : [ignored])];
  return {
    id: predicts === undefined ? cell.id : `${cell.id}@${cell.provider.name}`,
    ...(cell.title === undefined ? {} : { title: cell.title }),
    strategy: cell.strategy.name,
    question: cell.strategy.question,
    cluster: cell.provider.name,
    evidence: cell.provider.evidence,
    axes: cell.axes,
    seed: cell.seed,
    kind: cell.strategy.kind ?? 'release',
    requires: cell.strategy.requires(cell.axes),
    ...(cell.variant === undefined ? {} : { variant: cell.variant }),
    ...(cell.rollsBack === undefined ? {} : { rollsBack: cell.rollsBack.id }),
    ...(predicts === undefined ? {} : { predicts }),
    ...(cell.own === undefined || cell.provider.runs === undefined ? {} : { says: cell.own.versions }),
    ...(warnings.length === 0 ? {} : { warnings }),
    speed: Number.isFinite(speed) ? speed : null,
    facts: {
      ...cluster?.facts,
      ...(cell.own === undefined ? {} : { gateway: gatewayFact(cell.own, cell.provider) }),
    },
  };
}

/** The whole story of a cell: v1 serves, clients come, the release happens, and everybody finds a connection again. */
async function perform(
  cell: PlannedCell,
  cluster: Cluster,
  { record, random, signal }: RunContext,
  audience: Audience,
  own?: OwnStage & { readonly pods: Whereabouts },
): Promise<Played> {
  const { axes, strategy } = cell;
  const { clock } = cluster;
  let fleet: Fleet | undefined;
  let step = 'opening';
  const stamp = (event: TimedEvent) => {
    record({ at: clock.now(), ...event });
    if (event.type === 'step') {
      step = event.name;
      audience.watch({ now: clock.now(), step, counts: fleet?.counts() });
    }
  };
  const stage = (phase: Phase, until = signal) =>
    createStage(cluster, axes, phase, until, stamp, (service) => fleet?.point(service), own);
  using _ticker = every(clock, () => audience.watch({ now: clock.now(), step, counts: fleet?.counts() }));
  try {
    return await clock.run(async () => {
      const prepare = stage('prepare');
      await prepare.step('v1 serves', async () => {
        await (strategy.prepare ?? noPreparation)(prepare);
        if (axes.secondService === 'yes') await prepare.kube.apply(prepare.workload.secondService());
        await prepare.reachable(prepare.workload.service);
      });
      fleet = new Fleet({
        clock,
        random: random.fork('fleet'),
        axes,
        makeBeforeBreak: strategy.makeBeforeBreak ?? false,
        service: prepare.workload.service,
        record: stamp,
        dial: own === undefined ? cluster.dial.bind(cluster) : own.pods.dialling(cluster.dial.bind(cluster)),
      });
      await prepare.step('clients connect', () => fleet?.connect(1_800_000, signal) ?? Promise.resolve());
      // A random end, or each release would meet the health checks at the same phase.
      const calm = axes.heartbeat + random.fork('calm').integer(0, 30_000);
      await prepare.step('calm', () => clock.sleep(calm, signal));
      await bearing(axes, stamp, () => release(strategy, axes, stage, clock, signal));
      const settle = stage('settle');
      // Silent losses show up to two heartbeats after the last health check turned.
      await settle.step('last losses show', () => settle.sleep(30_000 + 2 * axes.heartbeat));
      const { maxAge } = axes;
      // Until each connection that the release left has come to its age, so that the shape at the end is what stays.
      if (maxAge !== undefined)
        await settle.step('every connection ages once', () => settle.sleep(1.1 * maxAge));
      await settle.step('everybody returns', () =>
        isLimited({ axes })
          ? settle.until('all clients are back for good', staying(clock, axes, fleet), axes.recoverWithin)
          : settle.until(
              'all clients are back',
              async () => fleet?.settled() ?? true,
              6 * axes.backoff + 1_800_000,
            ),
      );
      return { outcome: 'finished' };
    });
  } catch (error) {
    // Clients that never come back are a finding about the release, not a fault of the harness.
    if (error instanceof NotReachedError && step === 'everybody returns') {
      stamp({ type: 'note', text: error.message });
      return { outcome: 'finished' };
    }
    throw error;
  } finally {
    fleet?.stop();
  }
}

/** Pods that break down under the return are a finding about the release: whatever it waits for in vain, the story goes on. */
async function bearing(
  axes: Axes,
  stamp: (event: TimedEvent) => void,
  act: () => Promise<void>,
): Promise<void> {
  try {
    await act();
  } catch (error) {
    const isFinding = error instanceof NotReachedError || error instanceof ReleaseFailedError;
    if (!isLimited({ axes }) || !isFinding) throw error;
    stamp({ type: 'note', text: `the release did not come to its end: ${error.message}` });
  }
}

/** Whether everybody has been back for so long that whatever the pods have left of the return would have shown. */
function staying(clock: Clock, { heartbeat }: Axes, fleet: Fleet | undefined): () => Promise<boolean> {
  let since: Millis | undefined;
  return async () => {
    if (!fleet?.settled()) since = undefined;
    else since ??= clock.now();
    return since !== undefined && clock.now() - since >= 2 * heartbeat + PROBES;
  };
}

/** Three probes of 10 s, and their time-outs. */
const PROBES: Millis = 33_000;

const noPreparation = async () => {};

/** The release; with `rollbackAfter`, interrupted after that long and rolled back from wherever it was. */
async function release(
  strategy: Strategy,
  { rollbackAfter }: Axes,
  stage: (phase: Phase, signal?: AbortSignal) => Stage,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (rollbackAfter === undefined) return strategy.release(stage('release'));
  const interrupt = new AbortController();
  using _timer = clock.after(rollbackAfter, () => interrupt.abort(new InterruptedError('--rollback-after')));
  try {
    await strategy.release(stage('release', AbortSignal.any([signal, interrupt.signal])));
  } catch (error) {
    if (signal.aborted || !(error instanceof InterruptedError)) throw error;
  }
  await strategy.rollback(stage('rollback'));
}

/** Calls `look` about ten times a real second where time passes by itself; a virtual clock looks each model minute. */
function every(clock: Clock, look: () => void): Disposable {
  const period = Number.isFinite(clock.speed) ? 100 * clock.speed : 60_000;
  return clock.every(period, period, look);
}
