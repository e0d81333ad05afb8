import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ending, Greeting, Socket } from '../../../harness/contracts/connection.ts';
import { dialWebSocket } from '../../../harness/fleet/websocket.ts';
import { Gateway } from '../../../harness/gateway/gateway.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { findLocation, type IngressConfig } from '../../control-plane/ingress/ingress.ts';
import { type HopAct, runningProxy } from '../../control-plane/ingress/running-proxy.ts';
import { Nginx } from './nginx.ts';
import { nginxMissing } from './nginx-missing.ts';
import { startHere } from './start-here.fixture.ts';

const SPEED = 240;
const WORKERS = 2;
const missing = nginxMissing();

interface Client {
  readonly socket: Socket;
  readonly opened: Promise<Greeting>;
  readonly ended: Promise<Ending>;
  ending: Ending | undefined;
}

describe.skipIf(missing !== undefined)('a real nginx before real WebSockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nginx-'));
  const clock = new ScaledClock(SPEED);
  const gateways: Gateway[] = [];
  const clients: Client[] = [];
  const endpoints: Record<string, number> = {};
  let acts: HopAct[] = [];
  let log: string[] = [];
  let nginx: Nginx;
  let port: number;
  let gone: Promise<string>;

  beforeEach(async () => {
    acts = [];
    log = [];
    for (const version of ['v1', 'v2']) endpoints[version] = await gateway(version);
    port = await freePort();
    const healthPort = await freePort();
    gone = new Promise((resolve) => {
      nginx = new Nginx({
        directory,
        address: '127.0.0.1',
        is: runningProxy({ PORT: String(port), HEALTH_PORT: String(healthPort) }),
        workers: WORKERS,
        workerConnections: 1024,
        speed: SPEED,
        root: process.getuid?.() === 0,
        clock,
        start: startHere,
        acted: (act) => acts.push(act),
        logged: (line) => log.push(line),
        exited: resolve,
      });
    });
    await nginx.ready();
    await reload(config(0));
    acts = [];
  });

  afterEach(async () => {
    for (const { socket } of clients.splice(0)) socket.destroy();
    nginx.kill();
    await gone;
    for (const each of gateways.splice(0)) each.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Resolves once every old worker has stopped to accept; starting workers takes real time. */
  async function reload(to: IngressConfig): Promise<void> {
    log = [];
    await nginx.configure(to, true);
    await until(() => log.filter((line) => line.includes('gracefully shutting down')).length === WORKERS);
    await clock.sleep(2000);
  }

  async function gateway(version: string): Promise<number> {
    const made = new Gateway({
      version,
      pod: `pod-${version}`,
      node: undefined,
      port: 0,
      adminPort: 0,
      drain: 'close-all',
      drainOver: 0,
      closeTimeout: 1000,
      now: () => clock.now(),
      after: (delay, fire) => void clock.after(delay, fire),
      log() {},
      exit() {},
    });
    gateways.push(made);
    return (await made.listen()).port;
  }

  function config(weight: number, more: Partial<IngressConfig> = {}, readTimeout = 3_600_000): IngressConfig {
    const backend = (name: string) => ({
      name,
      endpoints: [{ address: '127.0.0.1', port: endpoints[name] as number }],
    });
    return {
      locations: [{ host: undefined, path: '/', match: 'prefix', route: 'v1', readTimeout, tls: false }],
      routes: [
        {
          name: 'v1',
          choices: [
            { backend: 'v2', weight },
            { backend: 'v1', weight: 100 - weight },
          ],
        },
      ],
      backends: [backend('v1'), backend('v2')],
      reloadKey: '',
      ...more,
    };
  }

  function connect(path = '/'): Client {
    let open: (greeting: Greeting) => void;
    let end: (ending: Ending) => void;
    const opened = new Promise<Greeting>((resolve) => {
      open = resolve;
    });
    const ended = new Promise<Ending>((resolve) => {
      end = resolve;
    });
    const socket = dialWebSocket(
      { url: `ws://127.0.0.1:${port}${path}` },
      {
        opened: (greeting) => open(greeting),
        answered() {},
        asked() {},
        closed(ending) {
          client.ending = ending;
          end(ending);
        },
      },
    );
    const client: Client = { socket, opened, ended, ending: undefined };
    clients.push(client);
    return client;
  }

  const versions = async (count: number) =>
    Promise.all(Array.from({ length: count }, () => connect().opened.then(({ version }) => version)));
  const alive = () => clients.filter(({ ending }) => ending === undefined).length;
  async function until(check: () => boolean): Promise<void> {
    while (!check()) await clock.sleep(1000);
  }

  it('drops nobody when weights and endpoints change', async () => {
    expect(new Set(await versions(40))).toEqual(new Set(['v1']));
    await nginx.configure(config(100), false);
    await clock.sleep(3000);
    expect(new Set(await versions(20))).toEqual(new Set(['v2']));
    // v1 leaves the endpoints with its connections open.
    await nginx.configure(
      config(100, { backends: [{ name: 'v1', endpoints: [] }, ...config(100).backends.slice(1)] }),
      false,
    );
    await clock.sleep(300_000);
    expect(alive()).toBe(60);
    expect(acts).toEqual([]);
  });

  it('splits new connections by weight, each on its own', async () => {
    await nginx.configure(config(20), false);
    await clock.sleep(3000);
    const hits = (await versions(400)).filter((version) => version === 'v2').length;
    // Four standard deviations of a binomial of 400 draws at 1/5.
    expect(Math.abs(hits - 80)).toBeLessThan(32);
  });

  it('keeps the connections of old workers for worker-shutdown-timeout after a reload, and no longer', async () => {
    await versions(30);
    const before = [...clients];
    const reloaded = clock.now();
    await reload(config(0));
    await versions(10);
    await clock.sleep(200_000);
    expect(alive()).toBe(40);
    const endings = await Promise.all(before.map(({ ended }) => ended));
    const took = clock.now() - reloaded;
    expect(took).toBeGreaterThan(240_000);
    // A real second of grace to a busy machine.
    expect(took).toBeLessThan(240_000 + SPEED * 1000);
    expect(new Set(endings.map(({ how }) => how))).toEqual(new Set(['fin']));
    expect(alive()).toBe(10);
    await until(() => acts.filter(({ act }) => act === 'shutdown').length > 0);
    await clock.sleep(20_000);
    expect(acts[0]).toEqual({ act: 'reload', connections: 30 });
    const ended = acts.filter(({ act }) => act === 'shutdown');
    expect(ended.reduce((sum, { connections }) => sum + connections, 0)).toBe(30);
  });

  it('ends a connection that is idle for proxy-read-timeout, not one that speaks', async () => {
    await reload(config(0, {}, 120_000));
    await versions(2);
    const [silent, speaking] = clients as [Client, Client];
    const began = clock.now();
    while (silent.ending === undefined) {
      speaking.socket.ping();
      await clock.sleep(20_000);
    }
    expect(clock.now() - began).toBeGreaterThan(110_000);
    expect(await silent.ended).toEqual({ how: 'fin' });
    expect(speaking.ending).toBeUndefined();
    await until(() => acts.some(({ act, connections }) => act === 'idle' && connections === 1));
  });

  it('finds the location by path element, as the model does', async () => {
    const locations = (
      [
        ['/', 'prefix', 'all'],
        ['/chat', 'prefix', 'chat'],
        ['/only', 'exact', 'chat'],
      ] as const
    ).map(([path, match, route]) => ({
      host: undefined,
      path,
      match,
      route,
      readTimeout: 3_600_000,
      tls: false,
    }));
    const routes = [
      { name: 'all', choices: [{ backend: 'v1', weight: 1 }] },
      { name: 'chat', choices: [{ backend: 'v2', weight: 1 }] },
    ];
    await reload(config(0, { locations, routes }));
    for (const path of ['/', '/chat', '/chat/room', '/chatter', '/only', '/only/else']) {
      const { version } = await connect(path).opened;
      const modelled = findLocation({ locations }, '', path)?.route === 'chat' ? 'v2' : 'v1';
      expect(version, path).toBe(modelled);
    }
  });

  it('answers 503 where nobody is to be had, and leaves in peace what is connected', async () => {
    await versions(1);
    await nginx.configure(config(0, { routes: [{ name: 'v1', choices: [] }] }), false);
    await clock.sleep(3000);
    expect(await connect().ended).toMatchObject({ how: 'refused' });
    expect(clients[0]?.ending).toBeUndefined();
  });

  it('takes no routes and no backends at all for a configuration as well', async () => {
    await nginx.configure(config(0, { routes: [], backends: [] }), false);
    await clock.sleep(3000);
    expect(await connect().ended).toMatchObject({ how: 'refused' });
    await nginx.configure(config(0), false);
    await clock.sleep(3000);
    expect(await versions(1)).toEqual(['v1']);
  });

  it('gives its connections the shutdown timeout when its pod is told to end', async () => {
    await versions(5);
    const told = clock.now();
    nginx.terminate();
    await Promise.all(clients.map(({ ended }) => ended));
    expect(clock.now() - told).toBeGreaterThan(235_000);
    expect(await gone).toBe('exited');
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
