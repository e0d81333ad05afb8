import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { TimedEvent } from '../contracts/event.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';

/** The event loop is looked at this often, in real milliseconds. */
const RESOLUTION = 10;

/** A sample is logged this often, in real milliseconds. */
const PERIOD = 1000;

/**
 * Watches the harness itself on a clock that passes by itself, and logs once a real second, in model milliseconds,
 * the worst event-loop lag and how far the wall clock has moved against the clock's own source of time (a machine
 * that slept, a clock that was set).
 */
export function watchHarness(clock: Clock, record: (event: TimedEvent) => void): Disposable {
  const { speed } = clock;
  const toModel = (real: number): Millis => Math.max(0, Math.round(real * speed));
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const apart = () => Date.now() - performance.now();
  let before = apart();
  let timer: Disposable;
  const sample = () => {
    // The histogram holds the time between two looks, which is the resolution where nothing lags.
    const lag = delay.count === 0 ? PERIOD : delay.max / 1e6 - RESOLUTION;
    const now = apart();
    record({ type: 'harness', lag: toModel(lag), drift: toModel(Math.abs(now - before)) });
    before = now;
    delay.reset();
    timer = clock.after(PERIOD * speed, sample);
  };
  timer = clock.after(PERIOD * speed, sample);
  return {
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      delay.disable();
    },
  };
}
