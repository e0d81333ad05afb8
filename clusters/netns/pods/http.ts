import { request } from 'node:http';
import type { Millis } from '../../../harness/time/duration.ts';
import { tolerated } from '../../../harness/time/tolerance.ts';

/** No answer is given up before this many real milliseconds. */
const LEAST_TIMEOUT = 250;

/**
 * A timeout in real milliseconds for one of `timeout` model milliseconds, but never under 250: at 36 times the speed
 * a probe's second would last 28 ms, and a busy machine is later than that now and then without anything being wrong.
 */
export const realTimeout = (timeout: Millis, speed: number) =>
  tolerated({ model: timeout, real: LEAST_TIMEOUT }, speed) / speed;

/** Sends one request on a connection of its own and resolves with the answer's status. @throws Error when there is none in time. */
export function httpStatus(
  method: 'GET' | 'POST',
  address: string,
  port: number,
  path: string,
  timeout: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { method, host: address, port, path, agent: false, signal: AbortSignal.timeout(Math.ceil(timeout)) },
      (response) => {
        response.on('error', reject);
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}
