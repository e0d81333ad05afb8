import type { RolloutSeen } from '../contracts/cluster.ts';
import type { TimedEvent } from '../contracts/event.ts';
import type { Clock } from '../time/clock.ts';
import { formatDuration, type Millis } from '../time/duration.ts';
import { heed } from '../time/heed.ts';

/** What rolls out while a release is watched, as an onlooker sees it: steps of the cell, and how they ended. */
export class Rollouts {
  private readonly record: (event: TimedEvent) => void;
  /** What rolls out now, with the name of its step. */
  private readonly underWay = new Map<string, { name: string; phase: 'release' | 'rollback' }>();
  private seen: { readonly at: Millis; readonly seen: RolloutSeen }[] = [];
  private waiting: (() => void)[] = [];
  private releasing = false;
  failed: string | undefined;

  constructor(record: (event: TimedEvent) => void) {
    this.record = record;
  }

  get isUnderWay(): boolean {
    return this.underWay.size > 0;
  }

  /** A cell is over; of the next one nothing has been seen. */
  forget(): void {
    this.seen = [];
    this.failed = undefined;
    this.releasing = false;
  }

  /** A release begins; what rolls out from now on are steps of it. */
  release(): void {
    this.releasing = true;
    this.failed = undefined;
    for (const step of this.underWay.values()) this.record({ type: 'step', edge: 'begin', ...step });
  }

  see(seen: RolloutSeen, now: Millis): void {
    this.seen.push({ at: now, seen });
    const { object } = seen;
    const before = this.underWay.get(object);
    if (before !== undefined) {
      this.underWay.delete(object);
      this.tell(before, 'end');
    }
    if (seen.edge === 'begin') {
      const undone = seen.what === 'undo';
      const words = {
        template: 'rolls out',
        undo: 'is rolled back',
        selector: 'selects other pods',
        policy: 'changes its traffic policy',
      };
      const step = { name: `${object} ${words[seen.what]}`, phase: undone ? 'rollback' : 'release' } as const;
      this.underWay.set(object, step);
      this.tell(step, 'begin');
      return;
    }
    if (seen.failed !== undefined) this.failed ??= `${object}: ${seen.failed}`;
    if (this.underWay.size > 0) return;
    for (const wake of this.waiting) wake();
    this.waiting = [];
  }

  /** Resolves once nothing rolls out any more, with why something did not come to its end. */
  async over(clock: Clock, limit: Millis, signal: AbortSignal): Promise<string | undefined> {
    if (this.underWay.size > 0) {
      const ended = new Promise<true>((resolve) => this.waiting.push(() => resolve(true)));
      const enough = new AbortController();
      const late = clock.sleep(limit, AbortSignal.any([signal, enough.signal])).then(() => false);
      late.catch(() => {});
      const inTime = await heed(Promise.race([ended, late]), signal);
      enough.abort();
      if (!inTime)
        this.failed ??= `${[...this.underWay.keys()].join(', ')} had not rolled out after ${formatDuration(limit)}`;
    }
    return this.failed;
  }

  /** What was seen of the cell's release, for its prediction; `rollbackAfter` from its begin to the first undo. */
  told(): { readonly seen: readonly RolloutSeen[]; readonly rollbackAfter: Millis | undefined } {
    const begun = this.seen.filter(({ seen }) => seen.edge === 'begin');
    const undone = begun.find(({ seen }) => seen.edge === 'begin' && seen.what === 'undo');
    return {
      seen: this.seen.map(({ seen }) => seen),
      rollbackAfter: undone && undone.at - (begun[0] as { at: Millis }).at,
    };
  }

  private tell(step: { name: string; phase: 'release' | 'rollback' }, edge: 'begin' | 'end'): void {
    if (this.releasing) this.record({ type: 'step', edge, ...step });
  }
}
