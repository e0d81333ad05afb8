import { createHash } from 'node:crypto';
import type { GatewayOptions } from './gateway.ts';

const LONGEST_TIMER = 2 ** 31 - 1;

/** Model time of a process that runs `speed` times as fast as the wall clock, and work that costs processor time. */
export function processTime(speed: number): Pick<GatewayOptions, 'now' | 'after' | 'work'> {
  return {
    now: () => performance.now() * speed,
    after: (delay, fire) => void setTimeout(fire, Math.min(LONGEST_TIMER, delay / speed)),
    work: busy,
  };
}

const CHUNK = Buffer.alloc(16_384);

/** Hashes for this long: processor time and not wall time, so that a busy machine makes nothing cheaper. */
function busy(processorTime: number): void {
  const used = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const end = used() + processorTime;
  while (used() < end) createHash('sha256').update(CHUNK).digest();
}
