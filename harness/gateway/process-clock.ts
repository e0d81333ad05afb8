import type { GatewayOptions } from './gateway.ts';

const LONGEST_TIMER = 2 ** 31 - 1;

/** Model time of a process that runs `speed` times as fast as the wall clock. */
export function processTime(speed: number): Pick<GatewayOptions, 'now' | 'after'> {
  return {
    now: () => performance.now() * speed,
    after: (delay, fire) => void setTimeout(fire, Math.min(LONGEST_TIMER, delay / speed)),
  };
}
