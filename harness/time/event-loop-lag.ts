import { monitorEventLoopDelay } from 'node:perf_hooks';

/** The event loop is looked at this often, in real milliseconds. */
const RESOLUTION = 10;

/** How late the event loop of this process is, in real milliseconds; it never looks by itself, so ask now and then. */
export class EventLoopLag implements Disposable {
  private readonly delay = monitorEventLoopDelay({ resolution: RESOLUTION });

  constructor() {
    this.delay.enable();
  }

  /** The worst since the last call; `elapsed` real milliseconds where the loop came to no look at all. */
  worst(elapsed: number): number {
    // The histogram holds the time between two looks, which is the resolution where nothing lags.
    const lag = this.delay.count === 0 ? elapsed : this.delay.max / 1e6 - RESOLUTION;
    this.delay.reset();
    return Math.max(0, lag);
  }

  [Symbol.dispose](): void {
    this.delay.disable();
  }
}
