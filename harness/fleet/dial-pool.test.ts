import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { readConfig } from '../contracts/config.ts';
import type { Ending, Greeting } from '../contracts/connection.ts';
import type { TimedEvent } from '../contracts/event.ts';
import { Gateway } from '../gateway/gateway.ts';
import { DialPool } from './dial-pool.ts';

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

async function gateway() {
  const server = new Gateway({
    version: 'v1',
    pod: 'gateway-v1-a',
    node: undefined,
    port: 0,
    adminPort: 0,
    drain: 'close-all',
    drainOver: 0,
    closeTimeout: 100,
    now: () => 0,
    after: () => {},
    log: () => {},
    exit: () => {},
  });
  ended.push(() => server.stop());
  const { port } = await server.listen();
  return { server, url: `ws://127.0.0.1:${port}/` };
}

/** Dials and resolves with what the connection says first; the rest is waited for through the other promises. */
function dial(pool: DialPool, url: string) {
  const opened = Promise.withResolvers<Greeting>();
  const answered = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<Ending>();
  const socket = pool.dial(
    { url },
    { opened: opened.resolve, answered: answered.resolve, asked() {}, closed: closed.resolve },
  );
  return { socket, opened: opened.promise, answered: answered.promise, closed: closed.promise };
}

test.each([0, 2])(
  'connections of %i other processes open, answer and are closed alike',
  async (processes) => {
    const { server, url } = await gateway();
    const pool = new DialPool(processes);
    ended.push(() => pool[Symbol.dispose]());
    const dialled = [dial(pool, url), dial(pool, url), dial(pool, url)];
    for (const { opened } of dialled) expect(await opened).toEqual({ pod: 'gateway-v1-a', version: 'v1' });
    for (const { socket, answered } of dialled) {
      socket.ping();
      await answered;
    }
    server.terminate();
    for (const { closed } of dialled)
      expect(await closed).toEqual({ how: 'close', code: 1012, reason: 'service restart' });
  },
);

const OWN = readConfig(
  {
    gateway: { command: ['x'], port: 9000, path: '/socket', readyPath: '/' },
    version: { header: 'x-build', match: /^app\/(.+)$/ },
    pod: { message: '/pod' },
    versions: { v1: '2.4.0', v2: '2.5.0' },
    asks: { message: /^bye/ },
    clients: { subprotocols: ['chat.v2'], headers: { authorization: 'Bearer s3cret' } },
  },
  'x',
);

test.each([0, 1])(
  "with %i other processes the user's own gateway is spoken to as its configuration says",
  async (processes) => {
    const server = new WebSocketServer({ port: 0, path: '/socket' });
    ended.push(() => server.close());
    await once(server, 'listening');
    server.on('headers', (headers) => headers.push('x-build: app/2.5.0'));
    const seen: unknown[] = [];
    server.on('connection', (client, { headers }) => {
      seen.push(headers.authorization, client.protocol);
      client.send('no JSON');
      client.send('{"pod":"own-1"}');
      client.on('ping', () => client.send('bye'));
    });
    const pool = new DialPool(processes, OWN);
    ended.push(() => pool[Symbol.dispose]());
    const { port } = server.address() as AddressInfo;
    const opened = Promise.withResolvers<Greeting>();
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<Ending>();
    const socket = pool.dial(
      { url: `ws://127.0.0.1:${port}${pool.path}` },
      { opened: opened.resolve, answered() {}, asked: asked.resolve, closed: closed.resolve },
      true,
    );
    expect(await opened.promise).toEqual({ version: 'v2', pod: 'own-1' });
    expect(seen).toEqual(['Bearer s3cret', 'chat.v2']);
    socket.ping();
    await asked.promise;
    for (const client of server.clients) client.close(4001, 'not with Bearer s3cret');
    expect(await closed.promise).toEqual({ how: 'close', code: 4001, reason: 'not with [redacted]' });
  },
);

test('a process that dies says so, its connections were not reset by anybody, and the others go on', async () => {
  const { url } = await gateway();
  const events: TimedEvent[] = [];
  const pool = new DialPool(2, undefined, (event) => events.push(event));
  ended.push(() => pool[Symbol.dispose]());
  const [held, other] = [dial(pool, url), dial(pool, url)];
  await Promise.all([held.opened, other.opened]);
  const [pid] = pool.pids;
  process.kill(pid as number, 'SIGKILL');
  expect(await held.closed).toEqual({ how: 'harness-died' });
  expect(events.filter(({ type }) => type === 'harness-died')).toEqual([
    { type: 'harness-died', part: 'dial process 1 of 2', why: 'SIGKILL' },
  ]);
  other.socket.ping();
  await other.answered;
  expect(await dial(pool, url).opened).toMatchObject({ version: 'v1' });
  expect(await dial(pool, url).opened).toMatchObject({ version: 'v1' });
});

test('a refused attempt of another process says why', async () => {
  const pool = new DialPool(1);
  ended.push(() => pool[Symbol.dispose]());
  expect(await dial(pool, 'ws://127.0.0.1:1/').closed).toEqual({ how: 'refused', why: 'ECONNREFUSED' });
});
