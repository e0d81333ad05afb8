import type { TimedEvent } from '../../../harness/contracts/event.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** nginx processes of one controller pod that were told to go, by process id, and when. */
export type OldWorkers = Map<number, Millis>;

/**
 * The event that a line of ingress-nginx's log is, if any: a reload (ing internal/ingress/controller/controller.go
 * syncIngress), the end of a connection that was silent for too long, or that of one of nginx's old workers, which takes with
 * it the connections that it still had. What is
 * known of the workers is kept in `old`.
 */
export function controllerEvent(
  pod: string,
  line: string,
  now: Millis,
  old: OldWorkers,
): TimedEvent | undefined {
  if (line.includes('Backend successfully reloaded'))
    return {
      type: 'hop',
      hop: pod,
      did: 'reloads; connections stay with the old workers for its own worker-shutdown-timeout at most',
      kept: true,
    };
  if (line.includes('upstream timed out') && line.includes('upgraded connection'))
    return {
      type: 'hop',
      hop: pod,
      did: 'ends a connection that was silent for proxy-read-timeout',
      act: 'idle',
    };
  const [, going] = /\] (\d+)#\d+: gracefully shutting down/.exec(line) ?? [];
  if (going !== undefined) old.set(Number(going), now);
  const [, gone] = /worker process (\d+) exited/.exec(line) ?? [];
  const since = old.get(Number(gone));
  if (since === undefined) return undefined;
  old.delete(Number(gone));
  return {
    type: 'hop',
    hop: pod,
    did: 'an old worker ends, and with it the connections that it still had',
    since,
    act: 'shutdown-timeout',
  };
}
