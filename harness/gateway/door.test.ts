import { expect, test } from 'vitest';
import type { Load } from '../contracts/load.ts';
import { Random } from '../statistics/random.ts';
import { VirtualClock } from '../time/virtual-clock.ts';
import { type Capacity, UNLIMITED } from './capacity.ts';
import { gatewayCost } from './cost.ts';
import { Door, type Outcome } from './door.ts';

interface Herd {
  readonly clients: number;
  readonly handshake: number;
  readonly backoff: (random: Random) => number;
  readonly patience: number;
  readonly capacity?: Partial<Capacity>;
}

/** A herd that is let loose on one door at once: how many were in after so long, and when the last came in. */
async function letLoose({ clients, handshake, backoff, patience, capacity }: Herd, time: number) {
  const clock = new VirtualClock();
  const random = new Random(1);
  const loads: Load[] = [];
  let inside = 0;
  let lastAt = 0;
  await clock.run(async () => {
    const door = new Door(
      { ...UNLIMITED, processors: 1, ...capacity },
      gatewayCost({ handshakeCpu: handshake, messageCpu: 0 }),
      {
        now: () => clock.now(),
        after: (delay, fire) => clock.after(delay, fire),
        tell: (load) => loads.push(load),
        fell() {},
      },
    );
    const come = () => {
      const visitor = { hasLeft: false };
      const again = () => clock.after(backoff(random), come);
      const patient = clock.after(patience, () => {
        visitor.hasLeft = true;
        again();
      });
      door.handshake(visitor, (outcome) => {
        if (visitor.hasLeft) return;
        patient[Symbol.dispose]();
        if (outcome !== 'served') again();
        else {
          inside++;
          lastAt = clock.now();
        }
      });
    };
    for (let client = 0; client < clients; client++) come();
    await clock.sleep(time);
    door.close();
  });
  const sum = (of: (load: Load) => number) => loads.reduce((total, load) => total + of(load), 0);
  return { inside, lastAt, stale: sum(({ stale }) => stale), served: sum(({ served }) => served), loads };
}

const fixed = (wait: number) => () => wait;
const HOUR = 3_600_000;

test.each([
  [2000, 5, 1],
  [2000, 5, 2],
  [500, 20, 0.5],
])(
  '%d clients of %d ms need at least what that costs on %d processors, and a patient herd no more than its waits',
  async (clients, handshake, processors) => {
    const cost = gatewayCost({ handshakeCpu: handshake, messageCpu: 0 }).handshake;
    const least = (clients * cost) / processors;
    const herd = { clients, handshake, backoff: fixed(1000), patience: HOUR, capacity: { processors } };
    const { inside, lastAt, stale } = await letLoose(herd, HOUR);
    expect(inside).toBe(clients);
    expect(stale).toBe(0);
    expect(lastAt).toBeGreaterThanOrEqual(Math.floor(least));
    // SYNs that were dropped come again after 1, 3, 7, 15, 31 s.
    expect(lastAt).toBeLessThan(2 * least + 31_000);
  },
);

// 2,000 handshakes of 50 ms need 100 s; clients wait for 10 s and come again after 5.
const STUBBORN: Herd = { clients: 2000, handshake: 50, backoff: fixed(5000), patience: 10_000 };

test('a fixed back-off shorter than what the herd costs never recovers where clients wait for less than the queue lasts', async () => {
  const early = await letLoose(STUBBORN, 10 * 60_000);
  const late = await letLoose(STUBBORN, 2 * HOUR);
  expect(early.inside).toBeLessThan(0.25 * STUBBORN.clients);
  // It works without pause, and for nobody.
  expect(late.inside).toBe(early.inside);
  expect(late.served).toBeGreaterThan(100_000);
  expect(late.stale).toBe(late.served - late.inside);
});

test('the same herd recovers with an admission limit below what the door can do, in about what that allows', async () => {
  const { inside, lastAt, stale } = await letLoose({ ...STUBBORN, capacity: { admission: 15 } }, HOUR);
  expect(inside).toBe(STUBBORN.clients);
  expect(lastAt).toBeGreaterThan((STUBBORN.clients / 15) * 1000 - 1000);
  expect(lastAt).toBeLessThan(10 * 60_000);
  expect(stale).toBeLessThan(20);
});

test('and with waits that are spread over more than it costs', async () => {
  const herd = { ...STUBBORN, backoff: (random: Random) => random.integer(0, 600_000) };
  const { inside } = await letLoose(herd, HOUR);
  expect(inside).toBe(STUBBORN.clients);
});

test('who finds the accept queue full comes again by SYN, at 1, 3 and 7 s, as long as the client waits', async () => {
  // 513 are in at once; each turn of the loop makes room for those that come then.
  const { inside, loads } = await letLoose(
    { clients: 1500, handshake: 0.65, backoff: fixed(HOUR), patience: 10_000 },
    20_000,
  );
  expect(inside).toBe(1500);
  expect(loads[0]).toMatchObject({ offered: 1500, served: 513 });
  expect(loads.reduce((sum, { dropped }) => sum + dropped, 0)).toBeGreaterThan(1500 - 513);
});

/** A door with nothing else to do, and its clock. */
function quiet(capacity: Partial<Capacity>) {
  const clock = new VirtualClock();
  const told: Load[] = [];
  const fell: string[] = [];
  const door = new Door({ ...UNLIMITED, ...capacity }, gatewayCost({ handshakeCpu: 100, messageCpu: 9.83 }), {
    now: () => clock.now(),
    after: (delay, fire) => clock.after(delay, fire),
    tell: (load) => told.push(load),
    fell: (why) => fell.push(why),
  });
  return { clock, door, told, fell };
}

test('pings and probes wait behind handshakes, and a probe that waits for more than a second is told', async () => {
  const { clock, door, told } = quiet({ processors: 0.5 });
  await clock.run(async () => {
    expect(door.message()).toBe(20);
    for (let client = 0; client < 10; client++) door.handshake({ hasLeft: false }, () => {});
    expect(door.message()).toBe(Math.round(20 + 10 * 200.7 + 20));
    expect(door.probe()).toBeGreaterThan(2000);
    await clock.sleep(5000);
    expect(door.probe()).toBe(1);
    door.close();
  });
  expect(told.reduce((sum, { lateProbes }) => sum + lateProbes, 0)).toBe(1);
  expect(told[0]).toMatchObject({ offered: 10, busy: 1, over: 1000 });
  expect(told.map(({ queue }) => queue).at(-1)).toBe(0);
});

test('an unreachable door is told after 127 s, to those who wait for that', async () => {
  const { clock, door } = quiet({ processors: 0.0001 });
  const outcomes: Outcome[] = [];
  await clock.run(async () => {
    for (let client = 0; client < 600; client++)
      door.handshake({ hasLeft: false }, (outcome) => outcomes.push(outcome));
    await clock.sleep(126_999);
    expect(outcomes).toEqual([]);
    await clock.sleep(1);
    door.close();
  });
  expect(outcomes).toEqual(new Array(600 - 513).fill('unreachable'));
});

test('connections and those who wait take memory, and more than there is ends the process', async () => {
  const { clock, door, fell } = quiet({ processors: 1, memory: 83 * 2 ** 20, connectionMemory: 2 ** 16 });
  await clock.run(async () => {
    for (let client = 0; client < 16; client++) door.opened();
    expect(fell).toEqual([]);
    door.handshake({ hasLeft: false }, () => {});
    expect(fell).toEqual(['OOMKilled with 17 connections']);
    door.close();
  });
});
