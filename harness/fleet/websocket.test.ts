import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer,
  type Server,
  Socket as TcpSocket,
} from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { Ending, Greeting, SocketHandlers } from '../contracts/connection.ts';
import { Gateway, type GatewayOptions } from '../gateway/gateway.ts';
import { dialWebSocket } from './websocket.ts';

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

/** Records what a socket says, and lets a test wait for each. */
class Ear implements SocketHandlers {
  readonly said: string[] = [];
  private readonly waiting: { what: string; resolve: (value: unknown) => void }[] = [];
  opened = (greeting: Greeting) => this.say('opened', greeting);
  answered = () => this.say('answered', undefined);
  asked = () => this.say('asked', undefined);
  closed = (ending: Ending) => this.say('closed', ending);

  hear(what: string): Promise<unknown> {
    return new Promise((resolve) => this.waiting.push({ what, resolve }));
  }

  private say(what: string, value: unknown): void {
    this.said.push(what);
    const index = this.waiting.findIndex((waiter) => waiter.what === what);
    if (index >= 0) this.waiting.splice(index, 1)[0]?.resolve(value);
  }
}

async function gateway(changes: Partial<GatewayOptions> = {}) {
  const log: Readonly<Record<string, unknown>>[] = [];
  let exited: () => void = () => {};
  const exit = new Promise<void>((resolve) => {
    exited = resolve;
  });
  const server = new Gateway({
    version: 'v1',
    pod: 'gateway-v1-a',
    node: 'node-1',
    port: 0,
    adminPort: 0,
    drain: 'close-all',
    drainOver: 1000,
    closeTimeout: 100,
    now: () => 0,
    after: () => {},
    log: (line) => log.push(line),
    exit: exited,
    ...changes,
  });
  const { port, adminPort } = await server.listen();
  ended.push(() => server.stop());
  const admin = (method: string, path: string) =>
    fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { connection: 'close' } });
  return { server, log, exit, url: `ws://127.0.0.1:${port}/`, admin };
}

async function connect(url: string) {
  const ear = new Ear();
  const socket = dialWebSocket({ url }, ear);
  ended.push(() => socket.destroy());
  return { ear, socket, greeting: (await ear.hear('opened')) as Greeting };
}

/** A TCP server that upgrades and greets like a gateway and then does what the test wants with the raw socket. */
async function raw(then: (socket: TcpSocket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => then(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ended.push(() => server.close());
  return `ws://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

test('a connection opens with the greeting and answers a ping', async () => {
  const { url } = await gateway();
  const { ear, socket, greeting } = await connect(url);
  expect(greeting).toEqual({ pod: 'gateway-v1-a', version: 'v1', node: 'node-1' });
  socket.ping();
  await ear.hear('answered');
  expect(ear.said).toEqual(['opened', 'answered']);
});

test('close-all on SIGTERM closes everyone with 1012 and exits when the last has gone', async () => {
  const { url, server, exit, log } = await gateway();
  const clients = await Promise.all([connect(url), connect(url)]);
  const endings = clients.map(({ ear }) => ear.hear('closed'));
  server.terminate();
  for (const ending of endings)
    expect(await ending).toEqual({ how: 'close', code: 1012, reason: 'service restart' });
  await exit;
  expect(log.map(({ did, connections }) => [did, connections])).toEqual([
    ['sigterm', 2],
    ['drain', 2],
    ['exit', 0],
  ]);
});

test('an abrupt gateway exits at once and closes nothing itself', async () => {
  const { url, server, exit, log } = await gateway({ drain: 'abrupt' });
  await connect(url);
  server.terminate();
  await exit;
  expect(log.at(-1)).toEqual({ did: 'exit', why: 'abrupt', connections: 1 });
});

test('a gateway without connections exits on SIGTERM at once, however it drains', async () => {
  const { server, exit } = await gateway({ drain: 'paced', drainOver: 300_000 });
  server.terminate();
  await exit;
});

test('a paced drain asks one client after the other, the last at the end of its time', async () => {
  let now = 0;
  let timer = { due: 0, fire: () => {} };
  const after = (delay: number, fire: () => void) => {
    timer = { due: now + delay, fire };
  };
  const { url, server } = await gateway({ now: () => now, after });
  const clients = await Promise.all([connect(url), connect(url), connect(url), connect(url)]);
  const endings = clients.map(({ ear }) => ear.hear('closed'));
  const times: number[] = [];
  server.drain('close', 1000);
  for (const ending of endings) {
    now = timer.due;
    timer.fire();
    await ending;
    times.push(now);
  }
  expect(times).toEqual([250, 500, 750, 1000]);
});

test('a gateway can ask its clients to reconnect by a message, which leaves them open', async () => {
  const { url, admin } = await gateway();
  const { ear, socket } = await connect(url);
  const asked = ear.hear('asked');
  expect((await admin('POST', '/drain?over=0&how=message')).status).toBe(202);
  await asked;
  socket.ping();
  await ear.hear('answered');
});

test('probes see readiness as the last control call left it', async () => {
  const { admin } = await gateway();
  const ready = async () => (await admin('GET', '/readyz')).status;
  expect(await ready()).toBe(200);
  await admin('POST', '/fail-readiness');
  expect(await ready()).toBe(503);
  expect((await admin('GET', '/livez')).status).toBe(200);
  await admin('POST', '/restore-readiness');
  expect(await ready()).toBe(200);
  expect((await admin('POST', '/drain?over=soon')).status).toBe(400);
  expect((await admin('GET', '/nothing')).status).toBe(404);
});

test('a client that leaves by itself hears nothing more, and the gateway counts it out', async () => {
  const { url, admin } = await gateway();
  const { ear, socket } = await connect(url);
  const { socket: other } = await connect(url);
  socket.close();
  other.destroy();
  const connections = async () =>
    ((await (await admin('GET', '/connections')).json()) as { connections: number }).connections;
  while ((await connections()) > 0);
  expect(ear.said).toEqual(['opened']);
});

const UPGRADE = /sec-websocket-key: (.+)\r\n/i;

test('how a connection ends is told apart: a close frame, a FIN, a reset', async () => {
  const upgrade = (request: string) => {
    const key = `${UPGRADE.exec(request)?.[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const greeting = Buffer.from(JSON.stringify({ onedrop: 1, pod: 'raw', version: 'v1' }));
    return Buffer.concat([
      Buffer.from(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      ),
      Buffer.from([0x81, greeting.length]),
      greeting,
    ]);
  };
  const endings = async (end: (socket: TcpSocket) => void) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => {
        socket.write(upgrade(String(data)));
        socket.once('data', () => end(socket));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ended.push(() => server.close());
    const { ear, socket } = await connect(`ws://127.0.0.1:${(server.address() as { port: number }).port}/`);
    const closed = ear.hear('closed');
    socket.ping();
    return closed;
  };
  expect(await endings((socket) => socket.write(Buffer.from([0x88, 2, 0x03, 0xf4])))).toEqual({
    how: 'close',
    code: 1012,
    reason: '',
  });
  expect(await endings((socket) => socket.write(Buffer.from([0x88, 0])))).toMatchObject({
    how: 'close',
    code: 1005,
  });
  expect(await endings((socket) => socket.end())).toEqual({ how: 'fin' });
  expect(await endings((socket) => socket.resetAndDestroy())).toEqual({ how: 'reset' });
});

test('an attempt that fails arrives as closed, never as an exception', async () => {
  const attempt = async (url: string, localAddress?: string) => {
    const ear = new Ear();
    const closed = ear.hear('closed');
    dialWebSocket({ url, ...(localAddress ? { localAddress } : {}) }, ear);
    return closed;
  };
  expect(await attempt('ws://127.0.0.1:1/')).toEqual({ how: 'refused', why: 'ECONNREFUSED' });
  expect(await attempt('ws://127.0.0.1:1/', '192.0.2.1')).toEqual({ how: 'refused', why: 'EADDRNOTAVAIL' });
  expect(await attempt('not a url')).toMatchObject({ how: 'refused' });
  expect(await attempt(await raw((socket) => socket.end('HTTP/1.1 503 Busy\r\n\r\n')))).toEqual({
    how: 'refused',
    why: 'Unexpected server response: 503',
  });
  expect(await attempt(await raw((socket) => socket.resetAndDestroy()))).toEqual({
    how: 'refused',
    why: 'ECONNRESET',
  });
});

/** A SOCKS5 server that knows one thing: to connect to an IPv4 address (RFC 1928). */
async function socks() {
  const asked: string[] = [];
  const server = createServer((client) => {
    client.once('data', () => {
      client.write(Buffer.from([5, 0]));
      client.once('data', (request) => {
        const host = [...request.subarray(4, 8)].join('.');
        const port = request.readUInt16BE(8);
        asked.push(`${host}:${port}`);
        const onward = connectTcp(port, host, () => {
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          client.pipe(onward).pipe(client);
        });
        onward.on('error', () => client.destroy());
        client.on('error', () => onward.destroy());
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ended.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { asked, proxy: `socks5h://127.0.0.1:${port}` };
}

test('a connection leaves from where the proxy is, and answers through it', async () => {
  const { url } = await gateway();
  const { asked, proxy } = await socks();
  const ear = new Ear();
  const opened = ear.hear('opened');
  const socket = dialWebSocket({ url, proxy }, ear);
  expect(await opened).toMatchObject({ pod: 'gateway-v1-a' });
  const answered = ear.hear('answered');
  socket.ping();
  await answered;
  socket.destroy();
  expect(asked).toEqual([new URL(url).host]);
});

test('a proxy that is not there is a refused attempt', async () => {
  const ear = new Ear();
  const closed = ear.hear('closed');
  dialWebSocket({ url: 'ws://127.0.0.1:9/', proxy: 'socks5h://127.0.0.1:1' }, ear);
  expect(await closed).toMatchObject({ how: 'refused' });
});

test("a client's keep-alive is asked of the operating system once it is open, and nobody else's", async () => {
  const asked = vi.spyOn(TcpSocket.prototype, 'setKeepAlive');
  ended.push(() => asked.mockRestore());
  const { url } = await gateway();
  const opened = async (keepalive?: number) => {
    const ear = new Ear();
    const heard = ear.hear('opened');
    const socket = dialWebSocket({ url, keepalive }, ear);
    ended.push(() => socket.destroy());
    await heard;
  };
  await opened();
  expect(asked.mock.calls.filter(([enable]) => enable === true)).toEqual([]);
  await opened(45_000);
  expect(asked.mock.calls.filter(([enable]) => enable === true)).toEqual([[true, 45_000]]);
});
