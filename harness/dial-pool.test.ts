import { afterEach, expect, test } from 'vitest';
import type { Ending, Greeting } from './cluster.ts';
import { DialPool } from './dial-pool.ts';
import { Gateway } from './gateway/gateway.ts';

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

test('a refused attempt of another process says why', async () => {
  const pool = new DialPool(1);
  ended.push(() => pool[Symbol.dispose]());
  expect(await dial(pool, 'ws://127.0.0.1:1/').closed).toEqual({ how: 'refused', why: 'ECONNREFUSED' });
});
