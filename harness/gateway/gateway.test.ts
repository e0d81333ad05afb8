import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { AGED, connectionAge, GOING_AWAY } from './age.ts';
import { type Capacity, SETTLED, UNLIMITED } from './capacity.ts';
import { Gateway } from './gateway.ts';
import { processTime } from './process-clock.ts';

const gateways: Gateway[] = [];
afterEach(() => {
  for (const gateway of gateways.splice(0)) gateway.stop();
});

/** A real gateway whose pod is limited; model time runs ten times as fast as the wall clock. */
async function limited(capacity: Partial<Capacity>, handshakeCpu = 0, more: { maxAge?: number } = {}) {
  const { now, after } = processTime(10);
  const said: Readonly<Record<string, unknown>>[] = [];
  const exits: (number | undefined)[] = [];
  const gateway = new Gateway({
    ...{ version: 'v1', pod: 'pod-1', node: undefined, port: 0, adminPort: 0 },
    ...{ drain: 'close-all', drainOver: 0, closeTimeout: 1000, handshakeCpu, now, after },
    capacity: { ...UNLIMITED, ...capacity },
    ...more,
    log: (line) => said.push(line),
    exit: (code) => exits.push(code),
  });
  gateways.push(gateway);
  const { port, adminPort } = await gateway.listen();
  /** Resolves with what a client is told first, and when, in model milliseconds. */
  const come = (headers: Record<string, string> = {}) => {
    const begun = now();
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers });
    return new Promise<{ heard: string; after: number; socket: WebSocket }>((resolve) => {
      const told = (heard: string) => resolve({ heard, after: now() - begun, socket });
      socket.on('message', () => told('greeting'));
      socket.on('error', ({ message }) => told(message));
    });
  };
  const probe = () =>
    new Promise<number>((resolve) => {
      const begun = now();
      request({ port: adminPort, path: '/readyz' }, (response) => {
        response.resume().on('end', () => resolve(now() - begun));
      }).end();
    });
  return { port, come, probe, said, exits };
}

test('handshakes, pings and probes are served in turn, in model time', async () => {
  const { come, probe } = await limited({ processors: 1 }, 500);
  const [first, second] = await Promise.all([come(), come()]);
  const waits = [first.after, second.after].sort((one, other) => one - other);
  expect(waits[0]).toBeGreaterThanOrEqual(500);
  expect(waits[1]).toBeGreaterThanOrEqual(1000);
  const later = come();
  await new Promise((resolve) => setImmediate(resolve));
  const begun = performance.now();
  const ponged = new Promise((resolve) => first.socket.on('pong', resolve));
  // Its request lies in the kernel before the ping does.
  await new Promise((resolve) => setTimeout(resolve, 5));
  first.socket.ping();
  const probed = await probe();
  await ponged;
  expect(probed).toBeGreaterThan(300);
  expect((performance.now() - begun) * 10).toBeGreaterThan(300);
  expect((await later).heard).toBe('greeting');
});

test('who was there long before the run comes in at once', async () => {
  const { come } = await limited({ processors: 0.001 }, 500);
  const { heard } = await come({ [SETTLED]: '1' });
  expect(heard).toBe('greeting');
});

test('whom admission control does not let in is refused with 503 before the upgrade', async () => {
  const { come } = await limited({ admission: 2 });
  const heard = await Promise.all([come(), come(), come(), come()]);
  expect(heard.map((one) => one.heard).sort()).toEqual([
    'Unexpected server response: 503',
    'Unexpected server response: 503',
    'greeting',
    'greeting',
  ]);
});

test('a client that leaves while it waits is served all the same, and told as work for nobody', async () => {
  const { port, said } = await limited({ processors: 1 }, 1000);
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  socket.on('error', () => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.terminate();
  await expect
    .poll(() => said.filter(({ did }) => did === 'load').map(({ load }) => load), { timeout: 3000 })
    .toContainEqual(expect.objectContaining({ served: 1, stale: 1 }));
});

test('more memory than the pod may use ends the process as the kernel would', async () => {
  const { come, said, exits } = await limited({ memory: 2 ** 20 });
  await come({ [SETTLED]: '1' });
  expect(exits).toEqual([137]);
  expect(said).toContainEqual(
    expect.objectContaining({ did: 'killed', why: 'OOMKilled with 1 connections' }),
  );
});

test('a connection is closed at an age of its own, in model time, and the close frame says so', async () => {
  const { come } = await limited({}, 0, { maxAge: 2000 });
  const { socket } = await come();
  const begun = performance.now();
  const [code, reason] = await new Promise<[number, string]>((resolve) =>
    socket.on('close', (code, reason) => resolve([code, String(reason)])),
  );
  expect([code, reason]).toEqual([GOING_AWAY, AGED]);
  // Ten times as fast as the wall clock; the greeting may have taken a while.
  expect((performance.now() - begun) * 10).toBeGreaterThan(0.5 * connectionAge(2000, 'pod-1', 0));
});
