import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Ending, Socket } from '../../../harness/contracts/connection.ts';
import { dialWebSocket } from '../../../harness/fleet/websocket.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import { type HopAct, runningProxy } from '../../control-plane/ingress/running-proxy.ts';
import { startHere } from '../nginx/start-here.fixture.ts';
import { Haproxy } from './haproxy.ts';
import { haproxyMissing } from './haproxy-missing.ts';

const SPEED = 240;
const missing = haproxyMissing();
if (missing !== undefined) process.stdout.write(`a real HAProxy: skipped, ${missing}\n`);

describe.skipIf(missing !== undefined)('a real HAProxy before real WebSockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'haproxy-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const clock = new ScaledClock(SPEED);
  const servers: WebSocketServer[] = [];
  const served: WebSocket[][] = [[], []];
  let sockets: { socket: Socket; ending: Ending | undefined }[] = [];
  let acts: HopAct[] = [];
  let haproxy: Haproxy;
  let gone: Promise<string>;
  let port = 0;

  beforeEach(async () => {
    acts = [];
    sockets = [];
    for (const list of served) {
      list.length = 0;
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
      server.on('connection', (socket) => {
        list.push(socket);
        socket.send(JSON.stringify({ type: 'hello', pod: 'p', version: 'v1' }));
      });
      servers.push(server);
    }
    port = await freePort();
    const is = runningProxy({
      INGRESS: 'haproxy-ingress',
      PORT: String(port),
      HEALTH_PORT: String(await freePort()),
    });
    gone = new Promise((exited) => {
      haproxy = new Haproxy({
        directory,
        address: '127.0.0.1',
        is,
        threads: 2,
        connections: 1000,
        speed: SPEED,
        clock,
        start: startHere,
        acted: (act) => acts.push(act),
        logged() {},
        exited,
      });
    });
    await haproxy.ready();
    await haproxy.configure(config(1), true);
    acts = [];
  });

  afterEach(async () => {
    for (const { socket } of sockets) socket.destroy();
    haproxy.kill();
    await gone;
    for (const server of servers.splice(0)) server.close();
  });

  /** The first so many servers, of three slots. */
  const config = (count: number, idle = 3_600_000): IngressConfig => ({
    locations: [{ host: undefined, path: '/', match: 'prefix', route: 'app', readTimeout: idle, tls: false }],
    routes: [],
    backends: [
      {
        name: 'app',
        slots: 3,
        endpoints: servers
          .slice(0, count)
          .map((server) => ({ address: '127.0.0.1', port: (server.address() as AddressInfo).port })),
      },
    ],
    reloadKey: '',
  });

  /** Resolves once all of them are through to a server. */
  async function connect(count: number): Promise<void> {
    const before = served.flat().length;
    for (let index = 0; index < count; index++) {
      const socket = dialWebSocket(
        { url: `ws://127.0.0.1:${port}/` },
        {
          opened() {},
          answered() {},
          asked() {},
          closed(ending) {
            client.ending = ending;
          },
        },
      );
      const client: (typeof sockets)[number] = { socket, ending: undefined };
      sockets.push(client);
    }
    while (served.flat().length < before + count) await clock.sleep(1000);
  }
  const alive = () => sockets.filter(({ ending }) => ending === undefined).length;

  it('is told of endpoints by its socket, and cuts nobody', async () => {
    await connect(10);
    expect(served.map(({ length }) => length)).toEqual([10, 0]);
    await haproxy.configure(config(2), false);
    await connect(10);
    expect(served.map(({ length }) => length)).toEqual([15, 5]);
    await haproxy.configure(config(1), false);
    await connect(4);
    expect(served.map(({ length }) => length)).toEqual([19, 5]);
    expect(alive()).toBe(24);
    expect(acts).toEqual([]);
  });

  it('keeps the connections of before a reload for timeout-stop, and no longer', async () => {
    await connect(20);
    const reloaded = clock.now();
    await haproxy.configure(config(2), true);
    await connect(5);
    await clock.sleep(560_000 - (clock.now() - reloaded));
    expect(alive()).toBe(25);
    while (alive() > 5) await clock.sleep(1000);
    const took = clock.now() - reloaded;
    expect(took).toBeGreaterThan(590_000);
    // A real second of grace to a busy machine.
    expect(took).toBeLessThan(600_000 + SPEED * 1000);
    expect(alive()).toBe(5);
    while (acts.length < 2) await clock.sleep(1000);
    expect(acts[0]).toEqual({ act: 'reload', connections: 20 });
    expect(acts[1]).toMatchObject({ act: 'shutdown', connections: 20 });
  });

  it('ends a connection that is silent for timeout-tunnel, not one that speaks', async () => {
    await haproxy.configure(config(1, 240_000), true);
    acts = [];
    await connect(2);
    const [silent, speaking] = sockets;
    while (silent?.ending === undefined) {
      speaking?.socket.ping();
      await clock.sleep(20_000);
    }
    expect(silent.ending).toEqual({ how: 'fin' });
    expect(speaking?.ending).toBeUndefined();
    while (acts.length === 0) await clock.sleep(1000);
    expect(acts).toEqual([{ act: 'idle', connections: 1 }]);
  });

  it('ends with all its connections when its pod is told to', async () => {
    await connect(3);
    haproxy.terminate();
    await gone;
    while (alive() > 0) await clock.sleep(1000);
    expect(acts).toEqual([{ act: 'terminated', connections: 3 }]);
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
