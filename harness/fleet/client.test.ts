import { expect, test } from 'vitest';
import { defaultAxes } from '../contracts/axes.ts';
import type { Socket, SocketHandlers } from '../contracts/connection.ts';
import type { Timed } from '../contracts/event.ts';
import { Random } from '../statistics/random.ts';
import { VirtualClock } from '../time/virtual-clock.ts';
import { Fleet } from './fleet.ts';

/** A fleet on a scripted network: tests decide what each dial and each ping meets. */
function scripted(
  options: { makeBeforeBreak?: boolean; clients?: number; backoffModel?: 'fixed' | 'signalr' } = {},
) {
  const clock = new VirtualClock();
  const events: Timed[] = [];
  const sockets: { handlers: SocketHandlers; alive: boolean; ended?: 'closed' | 'destroyed' }[] = [];
  const network = { refuse: false, answer: true, version: 'v1' };
  const fleet = new Fleet({
    clock,
    random: new Random(3),
    axes: defaultAxes({
      clients: options.clients ?? 1,
      backoff: 20_000,
      backoffModel: options.backoffModel ?? 'fixed',
      heartbeat: 30_000,
    }),
    makeBeforeBreak: options.makeBeforeBreak ?? false,
    service: 'gateway',
    record: (event) => events.push({ at: clock.now(), ...event }),
    dial: (_client, handlers): Socket => {
      const socket: (typeof sockets)[number] = { handlers, alive: true };
      sockets.push(socket);
      clock.after(5, () => {
        if (!socket.alive) return;
        if (network.refuse) handlers.closed({ how: 'refused', why: 'ECONNREFUSED' });
        else handlers.opened({ pod: 'pod', version: network.version });
      });
      return {
        ping: () => network.answer && handlers.answered(),
        close: () => {
          socket.alive = false;
          socket.ended = 'closed';
        },
        destroy: () => {
          socket.alive = false;
          socket.ended = 'destroyed';
        },
      };
    },
  });
  const mine = () => events.filter((event) => 'client' in event && event.client === 'c0');
  const fleetSocket = () => sockets.at(-1) as (typeof sockets)[number];
  const connected = () => fleet.connect(60_000, new AbortController().signal);
  return { clock, fleet, network, mine, sockets, fleetSocket, connected };
}

test('a heartbeat that is never answered is a drop, found one period after the ping and dated back to the last answer', async () => {
  const { clock, network, mine, connected } = scripted();
  await clock.run(async () => {
    await connected();
    await clock.sleep(45_000);
    network.answer = false;
    await clock.sleep(65_000);
  });
  const closed = mine().find(({ type }) => type === 'closed');
  expect(closed).toMatchObject({ ending: { how: 'silence' }, pod: 'pod', version: 'v1' });
  if (closed?.type !== 'closed') return expect.unreachable();
  expect(closed.at - closed.lastAnswer).toBe(60_000);
});

test('a silence that ends before the next heartbeat is healed, not dropped', async () => {
  const { clock, network, mine, connected, fleetSocket } = scripted();
  await clock.run(async () => {
    await connected();
    network.answer = false;
    await clock.sleep(31_000);
    fleetSocket().handlers.answered();
    network.answer = true;
    await clock.sleep(90_000);
  });
  expect(mine().map(({ type }) => type)).toEqual(['open', 'healed']);
});

test('a dropped client waits as its back-off says, counts its attempts, and is open again', async () => {
  const { clock, network, mine, connected, fleetSocket } = scripted();
  await clock.run(async () => {
    await connected();
    network.refuse = true;
    fleetSocket().handlers.closed({ how: 'close', code: 1012, reason: 'restart' });
    await clock.sleep(45_000);
    network.refuse = false;
    network.version = 'v2';
    await clock.sleep(30_000);
  });
  expect(mine().map(({ type }) => type)).toEqual(['open', 'closed', 'refused', 'refused', 'open']);
  expect(mine().at(-1)).toMatchObject({ version: 'v2', attempts: 3 });
  const [first, second] = mine().filter(({ type }) => type === 'refused');
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBe(20_005);
});

test('an attempt that nobody answers is given up after ten seconds', async () => {
  const { clock, mine, connected, fleetSocket } = scripted();
  await clock.run(async () => {
    await connected();
    fleetSocket().handlers.closed({ how: 'reset' });
    await clock.sleep(20_001);
    fleetSocket().alive = false;
    await clock.sleep(10_001);
  });
  expect(mine().at(-1)).toMatchObject({ type: 'refused', why: 'timeout' });
});

test('a client whose library gives up stays away for good, and the fleet counts as settled', async () => {
  const { clock, network, mine, fleet, connected, fleetSocket } = scripted({ backoffModel: 'signalr' });
  await clock.run(async () => {
    await connected();
    network.refuse = true;
    fleetSocket().handlers.closed({ how: 'fin' });
    await clock.sleep(120_000);
  });
  expect(mine().at(-1)).toMatchObject({ type: 'gave-up', attempts: 4 });
  expect(fleet.settled()).toBe(true);
  expect(fleet.counts()).toMatchObject({ givenUp: 1, open: 0, away: 0 });
});

test('asked to reconnect, a client leaves politely and comes back after its back-off', async () => {
  const { clock, mine, connected, fleetSocket } = scripted();
  await clock.run(async () => {
    await connected();
    const socket = fleetSocket();
    socket.handlers.asked();
    expect(socket.ended).toBe('closed');
    await clock.sleep(30_000);
  });
  expect(mine().map(({ type }) => type)).toEqual(['open', 'closed', 'open']);
  expect(mine()[1]).toMatchObject({ asked: true, ending: { how: 'close', code: 1000 } });
});

test('with make-before-break the new connection is open before the old one is closed, and nobody is ever away', async () => {
  const { clock, mine, fleet, network, connected, sockets, fleetSocket } = scripted({
    makeBeforeBreak: true,
  });
  await clock.run(async () => {
    await connected();
    const old = fleetSocket();
    network.version = 'v2';
    old.handlers.asked();
    expect(old.ended).toBeUndefined();
    expect(fleet.counts().open).toBe(1);
    await clock.sleep(10);
    expect(old.ended).toBe('closed');
  });
  expect(mine().map(({ type }) => type)).toEqual(['open', 'closed', 'open']);
  expect(mine()[1]).toMatchObject({ asked: true, replaced: true, version: 'v1' });
  expect(mine()[2]).toMatchObject({ version: 'v2' });
  expect(fleet.counts().byVersion.get('v2')).toBe(1);
  expect(sockets).toHaveLength(12);
});

test('pings of a fleet opened at once are spread over the heartbeat', async () => {
  const { clock, fleet, connected, sockets } = scripted({ clients: 300 });
  await clock.run(async () => {
    await connected();
    await clock.sleep(1000);
    for (const socket of sockets) socket.handlers.closed({ how: 'reset' });
    expect(fleet.counts().away).toBe(300);
    await clock.sleep(60_000);
  });
  expect(fleet.counts().open).toBe(300);
});

test('a client that another gateway takes over logs it, counts for that version, and goes on as before', async () => {
  const { clock, fleet, mine, connected, fleetSocket } = scripted();
  await clock.run(async () => {
    await connected();
    fleetSocket().handlers.rehomed?.({ pod: 'next', version: 'v2', node: 'node-2' });
    expect(fleet.counts().byVersion.get('v1')).toBe(0);
    expect(fleet.counts().byVersion.get('v2')).toBe(1);
    expect(fleet.settled()).toBe(true);
    await clock.sleep(90_000);
    fleetSocket().handlers.closed({ how: 'fin' });
  });
  expect(mine()).toMatchObject([
    { type: 'open', version: 'v1' },
    { type: 'rehomed', pod: 'next', version: 'v2', node: 'node-2' },
    { type: 'closed', pod: 'next', version: 'v2' },
  ]);
});
