import type { Axes } from '../../harness/contracts/axes.ts';
import type { TimedEvent } from '../../harness/contracts/event.ts';
import type { Random } from '../../harness/statistics/random.ts';
import type { Clock } from '../../harness/time/clock.ts';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import type { Machine } from './machine.ts';
import type { Store } from './store/store.ts';

/** What the drivers of one embedded control plane share. */
export interface Context {
  readonly clock: Clock;
  readonly random: Random;
  readonly machine: Machine;
  readonly store: Store;
  readonly axes: Axes;
  /** Logs an event, stamped with this moment. */
  record(event: TimedEvent): void;
  /** The machine refused; the next verb called on the control plane throws this. */
  fail(error: unknown): void;
}

/** What the balancer's driver needs of them: on a real cluster, store and machine are only as much as this. */
export interface BalancerContext extends Omit<Context, 'machine' | 'store'> {
  readonly machine: Pick<Machine, 'checkHealth' | 'programBalancer'>;
  readonly store: Pick<Store, 'get' | 'list' | 'update' | 'watch'>;
}

/**
 * Runs `act` for its effect on the machine, then `then`, from inside an event. A promise that is resolved already
 * must be let through on a virtual clock before time moves.
 */
export function perform(
  context: Pick<Context, 'clock' | 'fail'>,
  act: () => Promise<void>,
  then: () => void,
): void {
  act().then(then).catch(context.fail);
  letPromisesRun(context.clock);
}

/** Tells a virtual clock that somebody's promise may have been resolved. */
function letPromisesRun(clock: Clock): void {
  if (clock instanceof VirtualClock) clock.wake();
}
