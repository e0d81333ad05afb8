import { expect, test } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import type { Event } from '../../harness/contracts/event.ts';
import { planCells } from '../../harness/run/plan.ts';
import { play } from '../../harness/run/play.ts';
import { Random } from '../../harness/statistics/random.ts';
import { selectorFlip } from '../../scenarios/selector-flip.ts';
import { sim } from './sim.ts';

/** Plays a small flip and interrupts it at the begin of a step, or never; its events. */
async function played(step?: string): Promise<Event[]> {
  const [cell] = planCells({
    strategies: [selectorFlip],
    providers: [sim],
    texts: { clients: '20' },
    seed: 1,
    repeat: 1,
  });
  if (cell === undefined) throw new TypeError('no cell');
  const controller = new AbortController();
  const events: Event[] = [];
  const { outcome } = await play(cell, {
    name: 'test',
    directory: '',
    signal: controller.signal,
    audience: { watch() {} },
    record(event) {
      events.push(event);
      if (event.type === 'step' && event.edge === 'begin' && event.name === step) controller.abort();
    },
  });
  expect(outcome).toBe(step === undefined ? 'finished' : 'interrupted');
  return events;
}

test('whichever step is interrupted, it ends at that very moment and the log is complete', async () => {
  const steps = (await played()).flatMap((event) =>
    event.type === 'step' && event.edge === 'begin' ? event.name : [],
  );
  expect(steps.length).toBeGreaterThan(6);
  for (const step of steps) {
    const events = await played(step);
    const begun = events.find((event) => event.type === 'step' && event.name === step);
    const end = events.at(-1);
    if (begun?.type !== 'step' || end?.type !== 'end' || !('at' in end)) return expect.unreachable();
    expect(end.outcome).toBe('interrupted');
    // Clean-up takes no model time.
    expect(end.at - begun.at, step).toBeLessThan(1000);
  }
});

test('a Service that nobody can reach is not waited for any longer', async () => {
  const controller = new AbortController();
  await using cluster = await sim.open(
    { axes: defaultAxes(), name: 'test' },
    {
      record() {},
      random: new Random(1),
      directory: '',
      signal: controller.signal,
    },
  );
  const { clock } = cluster;
  await clock.run(async () => {
    using _timer = clock.after(5000, () => controller.abort());
    await expect(cluster.reachable('gateway', 600_000)).rejects.toThrow('interrupted');
    expect(clock.now()).toBeLessThan(7000);
  });
});
