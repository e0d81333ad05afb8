import type { TimedEvent } from '../contracts/event.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import { EventLoopLag } from '../time/event-loop-lag.ts';

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
  const loop = new EventLoopLag();
  const apart = () => Date.now() - performance.now();
  let before = apart();
  let timer: Disposable;
  const sample = () => {
    const now = apart();
    record({ type: 'harness', lag: toModel(loop.worst(PERIOD)), drift: toModel(Math.abs(now - before)) });
    before = now;
    timer = clock.after(PERIOD * speed, sample);
  };
  timer = clock.after(PERIOD * speed, sample);
  return {
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      loop[Symbol.dispose]();
    },
  };
}
