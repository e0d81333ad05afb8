import { get } from 'node:http';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** GET /healthz as a cloud's health check does: 200 within `timeout` is healthy, everything else is not. */
export function checkHealth(
  clock: Clock,
  target: { readonly host: string; readonly port: number; readonly timeout: Millis },
  done: (ok: boolean) => void,
): void {
  const { host, port, timeout } = target;
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
  const request = get({ host, port, path: '/healthz', agent: false }, ({ statusCode }) =>
    tell(statusCode === 200),
  );
  request.on('error', () => tell(false));
}
