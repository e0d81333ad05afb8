import { hash32 } from '../statistics/random.ts';

/** The close code of a connection that has reached its age: 1001, Going Away (RFC 6455, 7.4.1). */
export const GOING_AWAY = 1001;

/** What its close frame says; harness/contracts/connection.ts knows it by that. */
export const AGED = 'maximum connection age';

/** By how much of the age each connection's own lies above or below it (gRPC A9, MAX_CONNECTION_AGE: 10 %). */
const JITTER = 0.1;

/**
 * After how many milliseconds a gateway closes the `nth` connection that its pod has accepted: `maxAge`, give or take a
 * tenth, drawn by the pod's name and that number, so that a model and a process of the same pod agree. A `settled` one
 * was there long before the run, so that any part of its age has passed.
 */
export function connectionAge(maxAge: number, pod: string, nth: number, settled = false): number {
  const drawn = (label: string) => hash32(`age/${label}/${pod}/${nth}`) / 2 ** 32;
  const age = maxAge * (1 - JITTER + 2 * JITTER * drawn('whole'));
  return Math.round(settled ? age * drawn('left') : age);
}
