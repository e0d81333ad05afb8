import type { Clock } from './clock.ts';
import type { Millis } from './duration.ts';
import { InterruptedError } from './errors.ts';

/** setTimeout's delay is a 32-bit integer; longer waits are cut in pieces of this many real milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Time that passes by itself, `speed` model milliseconds a real one; speed 1 is a real cluster's clock. */
export class ScaledClock implements Clock {
  readonly speed: number;
  private readonly origin = performance.now();

  /** @throws RangeError when `speed` is not a positive finite number. */
  constructor(speed = 1) {
    if (!(speed > 0 && Number.isFinite(speed)))
      throw new RangeError(`speed ${speed}: must be a positive number`);
    this.speed = speed;
  }

  now(): Millis {
    return Math.floor((performance.now() - this.origin) * this.speed);
  }

  after(delay: Millis, fire: () => void): Disposable {
    const due = this.now() + Math.max(0, Math.round(delay));
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = due - this.now();
      if (left <= 0 && timer !== undefined) return fire();
      timer = setTimeout(arm, Math.min(LONGEST_TIMER, Math.max(0, Math.ceil(left / this.speed))));
    };
    arm();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  every(period: Millis, delay: Millis, fire: () => void): Disposable {
    // Counted from the first due time, so that late timers do not add up.
    let due = this.now() + delay;
    const again = () => {
      due += period;
      timer = this.after(due - this.now(), again);
      fire();
    };
    let timer = this.after(delay, again);
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
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
}
