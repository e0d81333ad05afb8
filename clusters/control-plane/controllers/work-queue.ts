import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** A controller's queue: a key waits in it at most once, and the earlier of two wishes for it wins. */
export class WorkQueue implements Disposable {
  private readonly clock: Clock;
  private readonly sync: (key: string) => void;
  private readonly latency: () => Millis;
  private readonly waiting = new Map<string, { readonly at: Millis; readonly timer: Disposable }>();

  /** `sync` brings the world in line for a key; `latency` is what watch and queue take, drawn for each wish. */
  constructor(clock: Clock, sync: (key: string) => void, latency: () => Millis) {
    this.clock = clock;
    this.sync = sync;
    this.latency = latency;
  }

  /** Syncs `key` after `delay`, or after the usual latency. */
  add(key: string, delay: Millis = this.latency()): void {
    const at = this.clock.now() + Math.max(0, Math.round(delay));
    const waiting = this.waiting.get(key);
    if (waiting !== undefined && waiting.at <= at) return;
    waiting?.timer[Symbol.dispose]();
    const timer = this.clock.after(delay, () => {
      this.waiting.delete(key);
      this.sync(key);
    });
    this.waiting.set(key, { at, timer });
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.waiting.values()) timer[Symbol.dispose]();
    this.waiting.clear();
  }
}
