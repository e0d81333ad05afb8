import { InterruptedError, StuckError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { Millis } from './duration.ts';
import { pop, push } from './timer-heap.ts';

/** Buckets of one millisecond each; events further away wait in a heap until the window reaches them. */
const WINDOW = 1 << 16;
const MASK = WINDOW - 1;

/**
 * Virtual time: nothing happens between two events, and events of one millisecond fire in the order in which
 * they were scheduled. A timing wheel makes scheduling and firing O(1) for all that lies within 65 seconds,
 * which is where heartbeats live.
 */
export class VirtualClock implements Clock {
  readonly speed = Number.POSITIVE_INFINITY;
  private time = 0;
  private readonly wheel: (Entry | undefined)[] = new Array(WINDOW).fill(undefined);
  private readonly tails: (Entry | undefined)[] = new Array(WINDOW).fill(undefined);
  private readonly far: Entry[] = [];
  private scheduled = 0;
  private sequence = 0;
  /** Somebody's promise was resolved: let the waiting code run before time moves. */
  private woken = false;

  now(): Millis {
    return this.time;
  }

  after(delay: Millis, fire: () => void): Disposable {
    return this.schedule(new Entry(this, this.time + Math.max(0, Math.round(delay)), 0, fire));
  }

  every(period: Millis, delay: Millis, fire: () => void): Disposable {
    return this.schedule(
      new Entry(this, this.time + Math.max(0, Math.round(delay)), Math.max(1, Math.round(period)), fire),
    );
  }

  sleep(delay: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new InterruptedError('interrupted'));
      const abort = () => {
        timer[Symbol.dispose]();
        this.woken = true;
        reject(new InterruptedError('interrupted'));
      };
      const timer = this.after(delay, () => {
        signal?.removeEventListener('abort', abort);
        this.woken = true;
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  async run<T>(main: () => Promise<T>): Promise<T> {
    let settled = false;
    const result = main().finally(() => {
      settled = true;
    });
    result.catch(() => {});
    // A macrotask turn runs every promise reaction that is ready, so nobody has to guess how many ticks they need.
    await macrotask();
    let turn = 0;
    while (!settled) {
      if (this.scheduled === 0)
        throw new StuckError(`main waits at ${this.time} ms for something that nothing will ever wake`);
      this.woken = false;
      this.fireNext();
      // The occasional turn lets signals (Ctrl-C) in even when nobody waits.
      if (this.woken || (++turn & 0x3fff) === 0) await macrotask();
    }
    return result;
  }

  /** Called by whoever resolves a promise from inside an event, so that the code awaiting it runs at this moment. */
  wake(): void {
    this.woken = true;
  }

  /** For Entry only: an event was disposed of before it fired. */
  cancelled(): void {
    this.scheduled--;
  }

  private schedule(entry: Entry): Entry {
    entry.sequence = this.sequence++;
    this.scheduled++;
    if (entry.at - this.time < WINDOW) this.append(entry);
    else push(this.far, entry);
    return entry;
  }

  private fireNext(): void {
    for (;;) {
      const slot = this.time & MASK;
      const entry = this.wheel[slot];
      if (entry === undefined) {
        this.advance();
        continue;
      }
      this.wheel[slot] = entry.next;
      if (entry.next === undefined) this.tails[slot] = undefined;
      const { fire } = entry;
      if (fire === undefined) continue;
      this.scheduled--;
      entry.next = undefined;
      if (entry.period > 0) {
        entry.at += entry.period;
        this.schedule(entry);
      } else entry.fire = undefined;
      fire();
      return;
    }
  }

  /** Moves to the next millisecond that may hold an event, and lets in what the window has come to reach. */
  private advance(): void {
    const limit = this.time + WINDOW;
    do this.time++;
    while (this.time < limit && this.wheel[this.time & MASK] === undefined && !this.reached());
    if (this.time === limit && this.far[0] !== undefined && this.far[0].at > this.time)
      this.time = this.far[0].at;
    while (this.reached()) this.append(pop(this.far));
  }

  private reached(): boolean {
    const first = this.far[0];
    return first !== undefined && first.at - this.time < WINDOW;
  }

  private append(entry: Entry): void {
    const slot = entry.at & MASK;
    const tail = this.tails[slot];
    if (tail === undefined) this.wheel[slot] = entry;
    else tail.next = entry;
    this.tails[slot] = entry;
  }
}

class Entry implements Disposable {
  at: Millis;
  sequence = 0;
  next: Entry | undefined = undefined;
  /** Undefined once it has fired for the last time or was disposed of. */
  fire: (() => void) | undefined;
  readonly period: Millis;
  private readonly clock: VirtualClock;

  constructor(clock: VirtualClock, at: Millis, period: Millis, fire: () => void) {
    this.clock = clock;
    this.at = at;
    this.period = period;
    this.fire = fire;
  }

  [Symbol.dispose](): void {
    if (this.fire === undefined) return;
    this.fire = undefined;
    this.clock.cancelled();
  }
}

const macrotask = () => new Promise<void>((resolve) => setImmediate(resolve));
