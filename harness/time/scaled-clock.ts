import { InterruptedError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { Millis } from './duration.ts';
import { pop, push } from './timer-heap.ts';

/** setTimeout's delay is a 32-bit integer; longer waits are cut in pieces of this many real milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Time that passes by itself, `speed` model milliseconds a real one; speed 1 is a real cluster's clock. */
export class ScaledClock implements Clock {
  readonly speed: number;
  private readonly origin = performance.now();
  private readonly waiting: Entry[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sequence = 0;
  /** Waits that will still ring. */
  private pending = 0;

  /** @throws RangeError when `speed` is not a positive finite number. */
  constructor(speed = 1) {
    if (!(speed > 0 && Number.isFinite(speed)))
      throw new RangeError(`speed ${speed}: must be a positive number`);
    this.speed = speed;
  }

  now(): Millis {
    return Math.floor((performance.now() - this.origin) * this.speed);
  }

  /** All waits share one timer of Node's, which would cost a list of its own for each different delay. */
  after(delay: Millis, fire: () => void): Disposable {
    return this.add(delay, 0, fire);
  }

  /** Counted from the first due time, so that late timers do not add up. */
  every(period: Millis, delay: Millis, fire: () => void): Disposable {
    return this.add(delay, period, fire);
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new InterruptedError('interrupted'));
      const abort = () => {
        timer[Symbol.dispose]();
        reject(new InterruptedError('interrupted'));
      };
      const timer = this.after(delay, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  run<T>(main: () => Promise<T>): Promise<T> {
    return main();
  }

  private add(delay: Millis, period: Millis, fire: () => void): Disposable {
    const at = this.now() + Math.max(0, Math.round(delay));
    const entry = new Entry(this, at, this.sequence++, period, fire);
    this.pending++;
    push(this.waiting, entry);
    if (this.waiting[0] === entry) this.arm();
    return entry;
  }

  /** For Entry: one wait less. Without any the timer goes too, which would keep the process alive until it is due. */
  ended(): void {
    if (--this.pending > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.waiting.length = 0;
  }

  private arm(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    // What was disposed of is not worth waking for.
    while (this.waiting[0]?.fire === undefined && this.waiting.length > 0) pop(this.waiting);
    const next = this.waiting[0];
    if (next === undefined) return;
    const left = Math.ceil((next.at - this.now()) / this.speed);
    this.timer = setTimeout(() => this.turn(), Math.min(LONGEST_TIMER, Math.max(0, left)));
  }

  private turn(): void {
    // Entries that are added from here on wait for the next turn, so that a wait of nothing starves nobody.
    const { sequence } = this;
    const now = this.now();
    try {
      for (;;) {
        const next = this.waiting[0];
        if (next === undefined || next.at > now || next.sequence >= sequence) return;
        this.ring(pop(this.waiting));
      }
    } finally {
      this.arm();
    }
  }

  private ring(entry: Entry): void {
    const { fire, period } = entry;
    if (fire === undefined) return;
    if (period === 0) entry[Symbol.dispose]();
    else {
      entry.at += period;
      entry.sequence = this.sequence++;
      push(this.waiting, entry);
    }
    fire();
  }
}

class Entry implements Disposable {
  private readonly clock: ScaledClock;
  at: Millis;
  sequence: number;
  readonly period: Millis;
  fire: (() => void) | undefined;

  constructor(clock: ScaledClock, at: Millis, sequence: number, period: Millis, fire: () => void) {
    this.clock = clock;
    this.at = at;
    this.sequence = sequence;
    this.period = period;
    this.fire = fire;
  }

  [Symbol.dispose](): void {
    if (this.fire === undefined) return;
    this.fire = undefined;
    this.clock.ended();
  }
}
