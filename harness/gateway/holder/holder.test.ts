import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Gateway } from '../gateway.ts';
import { Holder, type HolderOptions } from './holder.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

const time = {
  now: () => performance.now(),
  after: (delay: number, fire: () => void) => void setTimeout(fire, delay).unref(),
};
const basics = {
  node: undefined,
  port: 0,
  adminPort: 0,
  drain: 'close-all',
  drainOver: 0,
  closeTimeout: 1000,
  log: () => {},
  exit: () => {},
  ...time,
} as const;

/** A version of the gateway that answers `<version>:<message>`. */
async function startGateway(version: string): Promise<{ gateway: Gateway; port: number }> {
  const gateway = new Gateway({ ...basics, version, pod: `pod-${version}` });
  gateway.webSockets.on('connection', (socket) =>
    socket.on('message', (data) => {
      const text = String(data);
      if (text === 'go away') socket.close(4001, 'policy');
      else socket.send(`${version}:${text}`);
    }),
  );
  ends.push(() => gateway.stop());
  return { gateway, port: (await gateway.listen()).port };
}

/** What a Service is to a holder: an address whose new connections go where it points; it never touches old ones. */
class Service {
  target = 0;
  readonly sockets: Socket[] = [];
  private readonly server = createServer((socket) => {
    const onward = connectTcp(this.target, '127.0.0.1');
    this.sockets.push(socket);
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    ends.push(() => this.server.close());
    return (this.server.address() as AddressInfo).port;
  }
}

async function setUp(options: Partial<HolderOptions> = {}) {
  const [v1, v2] = await Promise.all([startGateway('v1'), startGateway('v2')]);
  const service = new Service();
  service.target = v1.port;
  const upstream = `ws://127.0.0.1:${await service.listen()}`;
  const log: Readonly<Record<string, unknown>>[] = [];
  const holder = new Holder({
    ...basics,
    version: 'holder',
    pod: 'holder-1',
    upstream,
    patience: 5000,
    holdFor: 60_000,
    log: (line) => void log.push(line),
    ...options,
  });
  ends.push(() => holder.stop());
  const { port, adminPort } = await holder.listen();
  return {
    v1,
    v2,
    service,
    holder,
    log,
    url: `ws://127.0.0.1:${port}/`,
    admin: `http://127.0.0.1:${adminPort}`,
  };
}

/** A client that never connects again and keeps what it hears. */
class Client {
  readonly socket: WebSocket;
  readonly heard: string[] = [];
  readonly versions: string[] = [];
  pongs = 0;
  closed: number | undefined;
  private readonly waiting: { met: () => boolean; resolve: () => void }[] = [];

  constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data) => {
      const text = String(data);
      if (text.startsWith('{')) this.versions.push(JSON.parse(text).version);
      else this.heard.push(text);
      this.look();
    });
    this.socket.on('pong', () => {
      this.pongs++;
      this.look();
    });
    this.socket.on('close', (code) => {
      this.closed = code;
      this.look();
    });
    ends.push(() => this.socket.terminate());
  }

  until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ met, resolve }));
  }

  async ask(text: string): Promise<string> {
    const answers = this.heard.length + 1;
    this.socket.send(text);
    await this.until(() => this.heard.length >= answers || this.closed !== undefined);
    return this.heard.at(-1) ?? '';
  }

  private look(): void {
    for (const { met, resolve } of this.waiting) if (met()) resolve();
  }
}

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  await client.until(() => client.versions.length === 1);
  return client;
}

const allOf = (count: number, url: string) => Promise.all(Array.from({ length: count }, () => connect(url)));

it('moves 250 clients to the next version, none of them is disconnected, and every message and ping is answered', async () => {
  const { v2, service, url, admin } = await setUp();
  const fleet = await allOf(250, url);
  let talking = true;
  const talks = fleet.map(async (client) => {
    let said = 0;
    for (; talking; said++) {
      client.socket.ping();
      await client.ask(`${said}`);
    }
    return said;
  });
  service.target = v2.port;
  const response = await fetch(`${admin}/rehome?over=500`, { method: 'POST' });
  expect(await response.json()).toEqual({ rehoming: 250 });
  await Promise.all(fleet.map((client) => client.until(() => client.versions.length === 2)));
  talking = false;
  const said = await Promise.all(talks);
  for (const [index, client] of fleet.entries()) {
    await client.until(() => client.pongs >= (said[index] as number));
    expect(client.closed).toBeUndefined();
    expect(client.versions).toEqual(['v1', 'v2']);
    // An answer of the old upstream may come after one of the new; none is missing and none comes twice.
    expect(client.heard.map((text) => Number(text.slice(3))).sort((a, b) => a - b)).toEqual(
      Array.from({ length: said[index] as number }, (_, number) => number),
    );
  }
  expect(await Promise.all(fleet.map((client) => client.ask('after')))).toEqual(fleet.map(() => 'v2:after'));
});

it('moves its clients when their gateway goes with 1012, without having been told', async () => {
  const { v1, v2, service, url } = await setUp();
  const fleet = await allOf(250, url);
  service.target = v2.port;
  v1.gateway.terminate();
  await Promise.all(fleet.map((client) => client.until(() => client.versions.length === 2)));
  expect(await Promise.all(fleet.map((client) => client.ask('hello')))).toEqual(fleet.map(() => 'v2:hello'));
  expect(fleet.filter(({ closed }) => closed !== undefined)).toEqual([]);
});

it('moves its clients when their gateway asks them to reconnect; they never hear of it', async () => {
  const { v1, v2, service, url } = await setUp();
  const client = await connect(url);
  service.target = v2.port;
  v1.gateway.drain('message', 0);
  await client.until(() => client.versions.length === 2);
  expect(client.heard).toEqual([]);
  expect(client.closed).toBeUndefined();
});

it('finds out by a client that pings that its gateway is dead, and the ping is answered all the same', async () => {
  const { v2, service, url } = await setUp({ patience: 200 });
  const client = await connect(url);
  service.target = v2.port;
  for (const socket of service.sockets) socket.unpipe().pause();
  client.socket.ping();
  await client.until(() => client.pongs === 1);
  expect(client.versions).toEqual(['v1', 'v2']);
  expect(client.closed).toBeUndefined();
});

it('keeps what a client says and asks while no gateway serves, and gives it to the next', async () => {
  const { v1, v2, service, url } = await setUp({ patience: 250 });
  const client = await connect(url);
  service.target = 1;
  v1.gateway.stop();
  // What is said to a gateway that is dying is lost with it; from when the holder knows, it is kept.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const answer = client.ask('is anybody there?');
  client.socket.ping();
  await new Promise((resolve) => setTimeout(resolve, 100));
  service.target = v2.port;
  expect(await answer).toBe('v2:is anybody there?');
  await client.until(() => client.pongs === 1);
  expect(client.closed).toBeUndefined();
});

it('tells a client to try again later when no gateway is found in time', async () => {
  const { v1, service, url, log } = await setUp({ patience: 100, holdFor: 200 });
  const client = await connect(url);
  service.target = 1;
  v1.gateway.stop();
  await client.until(() => client.closed !== undefined);
  expect(client.closed).toBe(1013);
  expect(log.find(({ did }) => did === 'give-up')).toMatchObject({ connections: 1, hop: true });
});

it('passes on closing codes that are meant for the client, and the client leaving to the gateway', async () => {
  const { v1, url } = await setUp();
  const [client, other] = await allOf(2, url);
  client?.socket.send('go away');
  await client?.until(() => client.closed !== undefined);
  expect(client?.closed).toBe(4001);
  other?.socket.close(1000);
  await other?.until(() => other.closed !== undefined);
  expect(other?.closed).toBe(1000);
  const connections = () =>
    (v1.gateway.control('GET', '/connections')[1] as { connections: number }).connections;
  while (connections() > 0) await new Promise((resolve) => setImmediate(resolve));
});

it('logs how many clients it has moved and why, not each of them', async () => {
  let flush = () => {};
  const after = (delay: number, fire: () => void) => {
    if (delay === 10_000) flush = fire;
    else time.after(delay, fire);
  };
  const { holder, url, log } = await setUp({ after });
  const fleet = await allOf(20, url);
  holder.rehome(0);
  await Promise.all(fleet.map((client) => client.until(() => client.versions.length === 2)));
  flush();
  expect(log.filter(({ did }) => did === 'rehome')).toEqual([
    { did: 'rehome', why: 'the holder was told to', connections: 20, hop: true },
  ]);
});

it('drops its clients at its own release, as a gateway does', async () => {
  const { holder, url } = await setUp();
  const client = await connect(url);
  holder.terminate();
  await client.until(() => client.closed !== undefined);
  expect(client.closed).toBe(1012);
});
