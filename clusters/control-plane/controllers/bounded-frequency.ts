import type { Millis } from '../../../harness/time/duration.ts';

/** kube-proxy's sync runner: a token bucket of `burst`, refilled once in `interval` (k8s pkg/util/async/bounded_frequency_runner.go). */
export interface BoundedFrequency {
  readonly interval: Millis;
  readonly burst: number;
  /** Tokens at `refilledAt`; fractions count. */
  readonly tokens: number;
  readonly refilledAt: Millis;
  readonly lastRun: Millis;
}

/** A runner that has never run, with a full bucket; an interval of 0 limits nothing. */
export const createBoundedFrequency = (interval: Millis, burst: number, now: Millis): BoundedFrequency => ({
  interval,
  burst,
  tokens: burst,
  refilledAt: now,
  lastRun: now - interval,
});

/** Asks to run: either it may run now, or `wait` says in how long to ask again. */
export function tryRun(
  runner: BoundedFrequency,
  now: Millis,
): { readonly runner: BoundedFrequency; readonly wait: Millis | undefined } {
  const { interval, burst } = runner;
  if (interval === 0) return { runner: { ...runner, lastRun: now }, wait: undefined };
  const tokens = Math.min(burst, runner.tokens + (now - runner.refilledAt) / interval);
  if (tokens >= 1)
    return { runner: { ...runner, tokens: tokens - 1, refilledAt: now, lastRun: now }, wait: undefined };
  const wait = Math.max(1, runner.lastRun + interval - now);
  return { runner: { ...runner, tokens, refilledAt: now }, wait };
}
