import { type ClientRequest, get } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/**
 * As a cloud's health check does: 200 on GET /healthz (or, by TCP, a connection) within `timeout` is healthy, everything
 * else is not.
 */
export function checkHealth(
  clock: Clock,
  target: {
    readonly host: string;
    readonly port: number;
    readonly timeout: Millis;
    /** Default: `http`. */
    readonly by?: 'http' | 'tcp';
  },
  done: (ok: boolean) => void,
): void {
  const { host, port, timeout, by } = target;
  let told = false;
  const tell = (ok: boolean) => {
    if (told) return;
    told = true;
    timer[Symbol.dispose]();
    request.destroy();
    done(ok);
  };
  const timer = clock.after(timeout, () => tell(false));
  // A connection of its own each time: a kept one would hide that the port no longer accepts any.
  const request: ClientRequest | Socket =
    by === 'tcp'
      ? connect({ host, port }, () => tell(true))
      : get({ host, port, path: '/healthz', agent: false }, ({ statusCode }) => tell(statusCode === 200));
  request.on('error', () => tell(false));
}
