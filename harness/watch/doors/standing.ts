import { type CellAnalysis, type CellResult, cellAnalysis } from '../../analyses/analyze.ts';
import type { VerdictName } from '../../analyses/verdict.ts';
import type { CellHeader, Event } from '../../contracts/event.ts';
import type { Clock } from '../../time/clock.ts';
import type { Millis } from '../../time/duration.ts';
import type { WatchState, WatchStatus } from '../watch.ts';

/** What a pipeline is told of the release that is watched, at this moment. */
export interface StandingDocument {
  /** Of the release under way what is known so far, else of the last one; `unknown` before the first. */
  readonly verdict: VerdictName;
  readonly why: readonly string[];
  /** Nothing can change it any more. */
  readonly final: boolean;
  readonly state: WatchState;
  readonly step: string;
  /** The cell's id, such as `release-1`. */
  readonly release: string | null;
  readonly clients: number;
  readonly open: number;
  readonly away: number;
  /** Clients that lost their connection since the release began. */
  readonly dropped: number;
  readonly droppedTwice: number;
  readonly stillAway: number;
  /** Disconnects before it began. */
  readonly background: number;
}

/** Criteria that only the end can judge. */
const AT_THE_END: ReadonlySet<string> = new Set([
  'finished',
  'what was promised was tried',
  'everybody came back',
]);

/** How long a verdict is kept before it is made anew, however often it is asked for: it looks at every drop. */
const FRESH: Millis = 1000;

/** And this many times as long as it took to make, so that asking costs two hundredths of the time at most. */
const REST = 50;

/** The verdict while the watch goes on: the same analyses as afterwards, over what was logged until now. */
export class Standing {
  private readonly clock: Clock;
  private header: CellHeader | undefined;
  private analysis: CellAnalysis | undefined;
  private result: CellResult | undefined;
  private isOver = false;
  /** Until when the last one is good. */
  private good = Number.NEGATIVE_INFINITY;
  private hasBegun = false;
  private status: WatchStatus = { state: 'connecting', step: 'opening', now: 0, counts: undefined };

  constructor(clock: Clock) {
    this.clock = clock;
  }

  observe(event: Event): void {
    if (event.type === 'cell' && event.cell.predicts === undefined) {
      this.header = event.cell;
      this.analysis = cellAnalysis(event.cell);
      this.isOver = false;
      this.hasBegun = false;
      this.good = Number.NEGATIVE_INFINITY;
      return;
    }
    // What follows the end of the last cell are predictions.
    if (!('at' in event) || this.isOver) return;
    this.analysis?.fold(event);
    if (event.type === 'step' && event.phase === 'release') this.hasBegun = true;
    if (event.type !== 'end') return;
    this.result = this.analysis?.result();
    this.isOver = true;
    this.good = Number.POSITIVE_INFINITY;
  }

  watch(status: WatchStatus): void {
    this.status = status;
  }

  get state(): WatchState {
    return this.status.state;
  }

  /** The cell as it stands: a second old at most, with thousands of drops some seconds; undefined before the first one. */
  current(): CellResult | undefined {
    const now = this.clock.now();
    if (this.analysis !== undefined && now >= this.good) {
      this.result = this.analysis.result();
      const done = this.clock.now();
      this.good = done + Math.max(FRESH * this.clock.speed, REST * (done - now));
    }
    return this.result;
  }

  document(): StandingDocument {
    const { state, step, counts } = this.status;
    const result = this.current();
    const document = result?.document;
    return {
      ...this.judged(result),
      state,
      step,
      release: this.header?.id ?? null,
      clients: counts?.clients ?? 0,
      open: counts?.open ?? 0,
      away: counts?.away ?? 0,
      dropped: document?.dropped ?? 0,
      droppedTwice: document?.droppedTwice ?? 0,
      stillAway: document?.stillAway ?? 0,
      background: document?.background?.disconnects ?? 0,
    };
  }

  private judged(result: CellResult | undefined): Pick<StandingDocument, 'verdict' | 'why' | 'final'> {
    if (result === undefined || (!this.hasBegun && !this.isOver))
      return { verdict: 'unknown', why: ['no release has begun'], final: false };
    if (this.isOver) return { verdict: result.document.verdict, why: result.document.why, final: true };
    const criteria = result.criteria.filter(({ name }) => !AT_THE_END.has(name));
    const of = (outcome: VerdictName) => criteria.filter((one) => one.outcome === outcome);
    const [unknown, failed] = [of('unknown'), of('fail')];
    if (unknown.length + failed.length === 0)
      return { verdict: 'pass', why: ['nothing that fails it has happened so far'], final: false };
    return {
      verdict: unknown.length > 0 ? 'unknown' : 'fail',
      why: [...unknown, ...failed].map(({ says }) => says),
      final: false,
    };
  }
}
