import type { Millis } from './duration.ts';

/** Where model time comes from: virtual on `sim`, scaled on `netns`, real on real clusters. */
export interface Clock {
  /** Whole milliseconds of model time since the cluster was opened. */
  now(): Millis;
  /** Calls `fire` once after `delay` (at least 0, rounded to whole milliseconds); disposing it first prevents that. */
  after(delay: Millis, fire: () => void): Disposable;
  /** Calls `fire` every `period` (at least 1), first after `delay`, until disposed; cheaper than scheduling each time anew. */
  every(period: Millis, delay: Millis, fire: () => void): Disposable;
  /** Resolves after `delay`. @throws InterruptedError as soon as `signal` is aborted. */
  sleep(delay: Millis, signal?: AbortSignal): Promise<void>;
  /** Runs `main`; a virtual clock moves time whenever main waits. @throws StuckError when nothing could wake it. */
  run<T>(main: () => Promise<T>): Promise<T>;
  /** Model milliseconds that pass in one real millisecond; Infinity on a virtual clock, 1 on a real one. */
  readonly speed: number;
}
