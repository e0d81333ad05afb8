import { CONNECTING } from '../analyses/background.ts';
import type { RunInfo } from '../analyses/run-info.ts';
import type { Axes } from '../contracts/axes.ts';
import type { Onlooker, OnlookerContext, RolloutSeen } from '../contracts/cluster.ts';
import {
  type CellHeader,
  EVENT_SCHEMA,
  type Event,
  type Outcome,
  type RunEnd,
  type TimedEvent,
} from '../contracts/event.ts';
import { InterruptedError, NotReachedError, UsageError } from '../errors.ts';
import { Fleet, type FleetCounts } from '../fleet/fleet.ts';
import { Whereabouts } from '../fleet/pod-by-version.ts';
import { EventLog } from '../log/event-log.ts';
import { watchHarness } from '../run/innocence-clock.ts';
import { Random } from '../statistics/random.ts';
import type { Clock } from '../time/clock.ts';
import { formatDuration, type Millis } from '../time/duration.ts';
import { heed } from '../time/heed.ts';
import { CellLog } from './cell-log.ts';
import type { Release, Releases } from './releases.ts';
import { Rollouts } from './rollouts.ts';
import { Target, type TargetOptions } from './target.ts';

/** Where a watch is, for those who are told while it goes on. */
export interface WatchStatus {
  readonly state: WatchState;
  /** The step under way, in words. */
  readonly step: string;
  readonly now: Millis;
  readonly counts: FleetCounts | undefined;
}

/** `ready`: all are connected and calm, and no release has begun; `settling`: it is over, and losses may still show. */
export type WatchState = 'connecting' | 'calm' | 'ready' | 'releasing' | 'settling' | 'over';

export interface WatchOptions {
  readonly info: RunInfo;
  readonly versions: Readonly<Record<string, string>>;
  /** Where the log is written; exists. */
  readonly log: string;
  readonly clock: Clock;
  readonly target: TargetOptions;
  /** What the clients are like; what an onlooker finds comes below what was `typed`. */
  axesOf(found: Onlooker['axes']): Axes;
  readonly releases: Releases;
  /** From the moment when all are connected until a release may begin; what is lost then is background. */
  readonly calm: Millis;
  /** How long after a release losses may still show, beside two heartbeats. */
  readonly settle: Millis;
  /** How long everybody may take to connect, and to come back after a release. */
  readonly patience: Millis;
  /** Undefined: only the sockets are seen. */
  readonly observe?: (context: OnlookerContext) => Promise<Onlooker>;
  /** Told of each rollout that is seen, when it begins and when it is over. */
  rollout?(seen: RolloutSeen): void;
  /** What the simulator predicts for a cell that is over; played once the clients are gone. */
  foretell?(
    cell: CellHeader,
    seen: readonly RolloutSeen[],
    rollbackAfter: Millis | undefined,
  ): AsyncIterable<Event>;
  /** Asked to take no further release, and to end an announced one; what is under way is judged. */
  readonly stop: AbortSignal;
  /** Asked to end now. */
  readonly signal: AbortSignal;
  readonly facts: Readonly<Record<string, string>>;
  watch(status: WatchStatus): void;
  /** Sees every event right after it was logged. */
  observed(event: Event): void;
}

const BLIND =
  'The cluster was not seen: of the axes only those of the clients are of this run, all others stand at their defaults and say nothing; --service, --namespace or --context looks at it.';

const QUESTION = 'What does this release, which somebody else makes, do to the clients of its gateway?';

/** How long, at least, a rollout may take to end after the command that began it: longer than a Deployment's own deadline. */
const ROLLOUT_LIMIT: Millis = 900_000;

/** How often it is asked whether everybody is back. */
const LOOK: Millis = 1000;

/** One release as its cell was logged, for the prediction that follows. */
interface WatchedCell {
  readonly header: CellHeader;
  readonly seen: readonly RolloutSeen[];
  readonly rollbackAfter: Millis | undefined;
}

/**
 * Holds a fleet before somebody else's gateway while somebody else releases: a cell a release, in the log of a run as any
 * other. Writes nothing anywhere but this log. Returns how it ended; the log is complete up to there in any case.
 */
export async function watch(options: WatchOptions): Promise<RunEnd['outcome']> {
  const { info, versions } = options;
  using log = new EventLog(options.log);
  const append = (event: Event) => {
    log.append(event);
    options.observed(event);
  };
  const { seed, commit } = info;
  append({ type: 'run', schema: EVENT_SCHEMA, seed, commit, versions, cells: [], openEnded: true });
  let outcome: RunEnd['outcome'] = 'broken';
  try {
    outcome = await new Watch(options, append).perform();
  } finally {
    append({ type: 'end', outcome });
  }
  return outcome;
}

class Watch {
  private readonly options: WatchOptions;
  private readonly append: (event: Event) => void;
  private readonly cells: CellLog;
  private readonly pods = new Whereabouts();
  private readonly rollouts: Rollouts;
  private readonly done: WatchedCell[] = [];
  private header: CellHeader | undefined;
  /** What is known of the gateway and of the cluster behind it. */
  private found: { readonly onlooker: Onlooker | undefined; readonly addresses: string | undefined } = {
    onlooker: undefined,
    addresses: undefined,
  };
  private fleet: Fleet | undefined;
  private state: WatchState = 'connecting';
  private step = 'opening';

  constructor(options: WatchOptions, append: (event: Event) => void) {
    this.options = options;
    this.append = append;
    this.cells = new CellLog(options.clock, append);
    this.rollouts = new Rollouts((event) => this.record(event));
  }

  async perform(): Promise<RunEnd['outcome']> {
    const { clock, signal } = this.options;
    let played: { outcome: Outcome; why?: string };
    try {
      played = await clock.run(() => this.play());
    } catch (error) {
      // Nothing has begun: whoever typed it is told.
      if (error instanceof UsageError) throw error;
      const reason = error instanceof Error ? error : new Error(String(error));
      const interrupted = signal.aborted || reason instanceof InterruptedError;
      // That clients cannot connect is no fault of the harness.
      const failed = reason instanceof NotReachedError;
      played = { outcome: interrupted ? 'interrupted' : failed ? 'failed' : 'broken', why: reason.message };
    } finally {
      this.fleet?.stop();
    }
    if (this.header === undefined) this.beginCell(this.cell(1));
    this.endCell(played.outcome, played.why);
    this.turn('over', 'over');
    if (played.outcome === 'finished' || played.outcome === 'failed') await this.foretell();
    return played.outcome === 'failed' ? 'finished' : played.outcome;
  }

  private async play(): Promise<{ outcome: Outcome; why?: string }> {
    const { options } = this;
    const { clock, signal } = options;
    await using resources = new AsyncDisposableStack();
    const context: OnlookerContext = {
      clock,
      signal,
      record: (event) => {
        this.pods.observe(event);
        this.cells.record(event);
      },
      rollout: (seen) => {
        this.rollouts.see(seen, clock.now());
        options.rollout?.(seen);
      },
    };
    const onlooker = await options.observe?.(context);
    if (onlooker !== undefined) resources.use(onlooker);
    const target = resources.use(await Target.open(options.target, clock, (event) => this.record(event)));
    this.found = { onlooker, addresses: target.words };
    const axes = options.axesOf(onlooker?.axes ?? {});
    resources.use(watchHarness(clock, (event) => this.record(event)));
    this.beginCell(this.cell(1));
    await target.probe(clock);
    const fleet = new Fleet({
      clock,
      random: new Random(options.info.seed).fork('fleet'),
      axes,
      makeBeforeBreak: false,
      // Whom else would they dial?
      control: 0,
      service: '',
      record: (event) => this.record(event),
      dial: this.pods.dialling(target.dial.bind(target)),
    });
    this.fleet = fleet;
    resources.use(clock.every(100 * clock.speed, 100 * clock.speed, () => this.tell()));
    await this.during('prepare', CONNECTING, () => fleet.connect(options.patience, signal));
    this.turn('calm');
    await this.during('prepare', 'calm', () => clock.sleep(options.calm, signal));
    for (let number = 1; ; number++) {
      this.turn('ready', 'waiting for a release');
      const release = await heed(options.releases.next(options.stop), signal);
      if (release === undefined) break;
      if (!this.cells.isOpen) this.beginCell(this.cell(number));
      const failed = await this.release(release);
      await this.settle(axes.heartbeat);
      this.endCell(failed === undefined ? 'finished' : 'failed', failed);
      if (options.stop.aborted) break;
    }
    return { outcome: 'finished' };
  }

  /** One release, from its begin until what it rolls out is there. Returns why it failed. */
  private async release({ name, over }: Release): Promise<string | undefined> {
    const { options } = this;
    const { clock, signal } = options;
    this.turn('releasing');
    const begun = clock.now();
    this.rollouts.release();
    const { failed } = await this.during('release', name, () => heed(over, signal));
    let rolled = this.rollouts.failed;
    if (this.rollouts.isUnderWay && failed === undefined)
      rolled = await this.during('release', 'it goes on rolling out', () =>
        this.rollouts.over(clock, Math.max(options.patience, ROLLOUT_LIMIT), signal),
      );
    const why = failed ?? rolled;
    this.record({
      type: 'note',
      text: `${name} ${why === undefined ? 'succeeded' : `failed: ${why}`} after ${formatDuration(clock.now() - begun)}`,
    });
    return why === undefined ? undefined : `${name}: ${why}`;
  }

  /** Until every loss has shown and everybody is back, or the next release begins. */
  private async settle(heartbeat: Millis): Promise<void> {
    const { clock, signal, settle, patience, releases } = this.options;
    this.turn('settling');
    const until = async (limit: Millis, holds: () => boolean): Promise<boolean> => {
      const deadline = clock.now() + limit;
      while (!holds() && !releases.isWaiting) {
        const left = deadline - clock.now();
        if (left <= 0) return false;
        await clock.sleep(Math.min(LOOK, left), signal);
      }
      return true;
    };
    await this.during('settle', 'last losses show', () => until(settle + 2 * heartbeat, () => false));
    const back = await this.during('settle', 'everybody returns', () =>
      until(patience, () => this.fleet?.settled() ?? true),
    );
    if (!back)
      this.record({ type: 'note', text: `not all clients were back within ${formatDuration(patience)}` });
    if (releases.isWaiting)
      this.record({ type: 'note', text: 'the next release began before this one was judged to its end' });
  }

  private async foretell(): Promise<void> {
    for (const { header, seen, rollbackAfter } of this.done)
      for await (const event of this.options.foretell?.(header, seen, rollbackAfter) ?? [])
        this.append(event);
  }

  private async during<T>(
    phase: Extract<TimedEvent, { type: 'step' }>['phase'],
    name: string,
    act: () => Promise<T>,
  ): Promise<T> {
    this.options.signal.throwIfAborted();
    this.step = name;
    this.record({ type: 'step', name, edge: 'begin', phase });
    this.tell();
    const result = await act();
    this.record({ type: 'step', name, edge: 'end', phase });
    return result;
  }

  private cell(number: number): CellHeader {
    const { axesOf, clock, info, facts } = this.options;
    const { onlooker, addresses } = this.found;
    return {
      id: `release-${number}`,
      strategy: number === 1 ? 'watch' : `watch, release ${number}`,
      question: QUESTION,
      cluster: 'yours',
      evidence: 'measured',
      axes: axesOf(onlooker?.axes ?? {}),
      seed: info.seed,
      kind: 'watch',
      sees: onlooker === undefined ? 'sockets' : 'cluster',
      speed: clock.speed,
      warnings: onlooker?.doubts ?? [BLIND],
      facts: { ...facts, ...(addresses === undefined ? {} : { addresses }), ...onlooker?.facts },
    };
  }

  private beginCell(header: CellHeader): void {
    this.header = header;
    this.cells.begin(header);
  }

  private endCell(outcome: Outcome, why?: string): void {
    if (this.header === undefined || !this.cells.isOpen) return;
    this.cells.end(outcome, why);
    if (outcome === 'finished' || outcome === 'failed')
      this.done.push({ header: this.header, ...this.rollouts.told() });
    this.rollouts.forget();
  }

  private record(event: TimedEvent): void {
    this.cells.record({ at: this.options.clock.now(), ...event });
  }

  private turn(state: WatchState, step?: string): void {
    this.state = state;
    if (step === undefined) return;
    this.step = step;
    this.tell();
  }

  private tell(): void {
    const { state, step } = this;
    this.options.watch({ state, step, now: this.options.clock.now(), counts: this.fleet?.counts() });
  }
}
