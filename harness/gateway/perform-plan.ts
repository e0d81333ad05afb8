import type { Millis } from '../time/duration.ts';

/** Does `act(0)`, `act(1)`, ... at the times of `plan`, in milliseconds from now; each turn does all that is due, so coarse timers never stretch the plan. */
export function performPlan(
  plan: readonly Millis[],
  clock: { now(): Millis; after(delay: Millis, fire: () => void): void },
  act: (index: number) => void,
  finished: () => void,
): void {
  const began = clock.now();
  let done = 0;
  const turn = () => {
    const elapsed = clock.now() - began;
    for (; done < plan.length && (plan[done] as Millis) <= elapsed; done++) act(done);
    if (done === plan.length) finished();
    else clock.after((plan[done] as Millis) - elapsed, turn);
  };
  turn();
}
