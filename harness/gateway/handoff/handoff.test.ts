import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Supervisor } from './supervisor.ts';

const running: Supervisor[] = [];
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  for (const supervisor of running.splice(0)) await supervisor.stop();
});

/** A supervisor on loopback whose workers echo. */
async function supervise(): Promise<{ supervisor: Supervisor; url: string; admin: string }> {
  const supervisor = new Supervisor({
    version: 'v1',
    port: 0,
    adminPort: 0,
    fork: (VERSION) =>
      fork(new URL('./test-echo-worker.ts', import.meta.url), {
        env: { ...process.env, VERSION, POD_NAME: 'pod-1' },
      }),
    log: () => {},
    exit: () => {},
  });
  running.push(supervisor);
  const { port, adminPort } = await supervisor.listen();
  return { supervisor, url: `ws://127.0.0.1:${port}/`, admin: `http://127.0.0.1:${adminPort}` };
}

/** A real `ws` client that keeps what it hears; it never connects again. */
class Client {
  readonly socket: WebSocket;
  readonly heard: string[] = [];
  readonly versions: string[] = [];
  raw: Socket | undefined;
  pongs = 0;
  closed: number | undefined;
  private readonly waiting: { met: () => boolean; resolve: () => void }[] = [];

  constructor(url: string, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols);
    this.socket.on('upgrade', (response) => {
      this.raw = response.socket;
    });
    this.socket.on('message', (data, binary) => {
      const text = binary ? `${(data as Buffer).length} bytes` : String(data);
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
    clients.push(this);
  }

  until(met: () => boolean): Promise<void> {
    if (met()) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ met, resolve }));
  }

  /** Sends a message and resolves with the answer. */
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

async function connect(url: string, protocols?: string[]): Promise<Client> {
  const client = new Client(url, protocols);
  await client.until(() => client.versions.length === 1);
  return client;
}

const allOf = (count: number, make: (index: number) => Promise<Client>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

describe('handing WebSockets over to the next worker', () => {
  it('keeps 250 clients connected, answers each message exactly once and in order, and every ping', async () => {
    const { supervisor, url } = await supervise();
    const fleet = await allOf(250, () => connect(url));
    expect(await Promise.all(fleet.map((client) => client.ask('before')))).toEqual(
      fleet.map(() => 'v1:before'),
    );

    // Everybody talks without a pause while the workers change.
    let talking = true;
    const talks = fleet.map(async (client) => {
      let said = 0;
      for (; talking; said++) {
        client.socket.ping();
        await client.ask(`${said}`);
      }
      return said;
    });
    const result = await supervisor.handOver('v2');
    await Promise.all(fleet.map((client) => client.until(() => client.versions.length === 2)));
    talking = false;
    const said = await Promise.all(talks);
    expect(result).toEqual({ from: 'v1', to: 'v2', handedOver: 250, ended: 0 });

    for (const [index, client] of fleet.entries()) {
      const count = said[index] as number;
      await client.until(() => client.pongs >= count);
      expect(client.closed).toBeUndefined();
      expect(client.versions).toEqual(['v1', 'v2']);
      expect(client.heard.map((text) => text.slice(3))).toEqual([
        'before',
        ...Array.from({ length: count }, (_, number) => `${number}`),
      ]);
      expect(client.pongs).toBe(count);
    }
    expect(await Promise.all(fleet.map((client) => client.ask('after')))).toEqual(
      fleet.map(() => 'v2:after'),
    );
  });

  it('reads a message whole that was half sent when the workers changed', async () => {
    const { supervisor, url } = await supervise();
    const client = await connect(url);
    const frame = Buffer.concat([
      Buffer.from([0x81, 0x80 | 'halves'.length, 0, 0, 0, 0]),
      Buffer.from('halves'),
    ]);
    // The pong proves that the worker has read the bytes before it.
    client.raw?.write(Buffer.concat([Buffer.from([0x89, 0x80, 0, 0, 0, 0]), frame.subarray(0, 8)]));
    await client.until(() => client.pongs === 1);
    await supervisor.handOver('v2');
    client.raw?.write(frame.subarray(8));
    await client.until(() => client.heard.length === 1);
    expect(client.heard).toEqual(['v2:halves']);
  });

  it('waits for what was written to a slow client, and keeps the order', async () => {
    const { supervisor, url } = await supervise();
    const client = await connect(url);
    client.socket.pause();
    for (let count = 0; count < 20; count++) client.socket.send('flood');
    const other = await connect(url);
    const handOver = supervisor.handOver('v2');
    await other.until(() => other.versions.length === 2);
    client.socket.resume();
    expect((await handOver).handedOver).toBe(2);
    await client.until(() => client.versions.length === 2);
    expect(client.heard).toEqual(Array.from({ length: 20 }, () => `${2 ** 20} bytes`));
    expect(await client.ask('after')).toBe('v2:after');
  });

  it('keeps the subprotocol, and hands over as often as it is told', async () => {
    const { supervisor, url } = await supervise();
    const client = await connect(url, ['chat']);
    for (const version of ['v2', 'v3', 'v4']) {
      await supervisor.handOver(version);
      expect(await client.ask('still there?')).toBe(`${version}:still there?`);
    }
    expect(client.socket.protocol).toBe('chat');
    expect(client.versions).toEqual(['v1', 'v2', 'v3', 'v4']);
  });

  it('serves clients that come while the workers change', async () => {
    const { supervisor, url } = await supervise();
    await allOf(50, () => connect(url));
    const handOver = supervisor.handOver('v2');
    const newcomers = await allOf(100, () => connect(url));
    await handOver;
    expect(await Promise.all(newcomers.map((client) => client.ask('new')))).toEqual(
      newcomers.map(() => 'v2:new'),
    );
    expect(newcomers.filter(({ closed }) => closed !== undefined)).toEqual([]);
  });

  it('lets clients leave afterwards, in the way of a WebSocket', async () => {
    const { supervisor, url, admin } = await supervise();
    const [client, other] = await Promise.all([connect(url), connect(url)]);
    await supervisor.handOver('v2');
    client.socket.close(1000);
    await client.until(() => client.closed !== undefined);
    expect(client.closed).toBe(1000);
    const connections = async () =>
      ((await (await fetch(`${admin}/connections`)).json()) as { connections: number }).connections;
    while ((await connections()) !== 1);
    expect(other.closed).toBeUndefined();
  });

  it('leaves the old version serving when the new one cannot start', async () => {
    const { url, admin } = await supervise();
    const client = await connect(url);
    const response = await fetch(`${admin}/handover?version=broken`, { method: 'POST' });
    expect([response.status, await response.json()]).toEqual([
      409,
      { error: 'the worker of broken ended (1)' },
    ]);
    expect(await client.ask('still there?')).toBe('v1:still there?');
  });

  it('drains on SIGTERM as the worker that has the connections now', async () => {
    const { supervisor, url } = await supervise();
    const client = await connect(url);
    await supervisor.handOver('v2');
    supervisor.terminate();
    await client.until(() => client.closed !== undefined);
    expect(client.closed).toBe(1012);
  });
});

describe('what cannot be handed over', () => {
  it('is a WebSocket whose worker died: its state died as well', async () => {
    const { supervisor, url } = await supervise();
    const client = await connect(url);
    await supervisor.stop();
    await client.until(() => client.closed !== undefined);
    expect(client.closed).toBe(1006);
  });

  it('is one whose supervisor is killed: the worker ends with it, and nothing is left open', async () => {
    const pod = spawn(process.execPath, [fileURLToPath(new URL('./main.ts', import.meta.url))], {
      env: { ...process.env, PORT: '0', ADMIN_PORT: '0', POD_NAME: 'pod-1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(pod.stdout, 'data');
    const client = await connect(`ws://127.0.0.1:${JSON.parse(String(line)).port}/`);
    pod.kill('SIGKILL');
    await client.until(() => client.closed !== undefined);
    expect(client.closed).toBe(1006);
    // The worker has inherited its output: it ends only when both have.
    await once(pod, 'close');
  });

  it('is a TLS socket, whose keys are in the memory of the process that shook hands: it never arrives', async () => {
    // Pre-shared keys need no certificate.
    const options = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
    const psk = Buffer.alloc(16, 1);
    const server = createTlsServer({ ...options, pskCallback: () => psk });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = tlsConnect({
      ...options,
      port: (server.address() as AddressInfo).port,
      pskCallback: () => ({ identity: 'test', psk }),
      checkServerIdentity: () => undefined,
    });
    const [accepted] = (await once(server, 'secureConnection')) as [TLSSocket];
    const child = fork(new URL('./test-receiver.ts', import.meta.url));
    // Older Node.js threw ERR_INVALID_HANDLE_TYPE (nodejs/help#865); 20 and 24 lose it on the way and say nothing.
    let thrown: NodeJS.ErrnoException | undefined;
    try {
      child.send('TLS', accepted, { keepOpen: true });
    } catch (error) {
      thrown = error as NodeJS.ErrnoException;
    }
    child.send('next');
    expect(await once(child, 'message')).toEqual([{ message: 'next', handle: 'none' }, undefined]);
    expect([undefined, 'ERR_INVALID_HANDLE_TYPE']).toContain(thrown?.code);
    child.disconnect();
    client.destroy();
    accepted.destroy();
    server.close();
    await once(child, 'exit');
  });

  it('is one with permessage-deflate, so the handshake never agrees on it', async () => {
    const { url } = await supervise();
    const client = await connect(url);
    expect(client.socket.extensions).toBe('');
  });
});
