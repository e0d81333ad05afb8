/**
 * `npm run bench:fleet`: what one real client of the fleet costs beside a bare `ws` client, in memory and in
 * connects a second. Both open 10,000 connections to the same gateway over loopback, as many at once, each from a
 * process of its own, in turns.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { defaultAxes } from '../contracts/axes.ts';
import { Fleet, OPENING_AT_ONCE } from '../fleet/fleet.ts';
import { dialWebSocket } from '../fleet/websocket.ts';
import { Random } from '../statistics/random.ts';
import { ScaledClock } from '../time/scaled-clock.ts';
import { benchTable } from './bench-table.ts';

const CLIENTS = 10_000;
const ROUNDS = 5;
/** What the fleet may cost: memory at most so much of a bare client's, connects at least so much of a bare loop's. */
const TARGET = { memory: 1.15, rate: 0.8 } as const;

type Kind = 'bare' | 'fleet';

interface Figures {
  /** Connections opened a second. */
  readonly rate: number;
  /** Resident memory a connection, in bytes, after collecting garbage. */
  readonly resident: number;
  /** Of which JavaScript objects and their buffers. */
  readonly heap: number;
}

/** A source address for each client, fresh ones each round: no port is ever skipped for being in TIME_WAIT. */
const localAddress = (round: number, number: number) => `127.${20 + round}.${number >> 8}.${number & 255}`;

/** The plainest thing that opens so many connections: a loop around `new WebSocket`. */
async function openBare(url: string, round: number, sockets: WebSocket[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let open = 0;
  let next = 0;
  const connect = () => {
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      localAddress: localAddress(round, next++),
    });
    sockets.push(socket);
    socket.on('error', reject);
    socket.on('open', () => {
      if (next < CLIENTS) connect();
      if (++open === CLIENTS) resolve();
    });
  };
  for (let first = 0; first < OPENING_AT_ONCE; first++) connect();
  await promise;
}

async function openFleet(url: string, round: number, fleets: Fleet[]): Promise<void> {
  const fleet = new Fleet({
    clock: new ScaledClock(1),
    random: new Random(round),
    // A hundredth of them is the control group.
    axes: defaultAxes({ clients: CLIENTS - 100, heartbeat: 600_000 }),
    makeBeforeBreak: false,
    service: 'gateway',
    record() {},
    dial: ({ group, number }, handlers) =>
      dialWebSocket(
        { url, localAddress: localAddress(round, group === 'fleet' ? number : CLIENTS - 100 + number) },
        handlers,
      ),
  });
  fleets.push(fleet);
  await fleet.connect(120_000, new AbortController().signal);
}

function settled(): NodeJS.MemoryUsage {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  return process.memoryUsage();
}

async function measure(kind: Kind, url: string, round: number): Promise<Figures> {
  const kept: never[] = [];
  // One connection first: what is loaded and compiled once is no client's cost.
  await new Promise<void>((resolve, reject) => {
    const first = new WebSocket(url, { perMessageDeflate: false });
    first
      .on('error', reject)
      .on('close', resolve)
      .on('open', () => first.terminate());
  });
  const before = settled();
  const begin = performance.now();
  await (kind === 'bare' ? openBare : openFleet)(url, round, kept);
  const seconds = (performance.now() - begin) / 1000;
  const after = settled();
  const objects = (usage: NodeJS.MemoryUsage) => usage.heapUsed + usage.external;
  return {
    rate: CLIENTS / seconds,
    resident: (after.rss - before.rss) / CLIENTS,
    heap: (objects(after) - objects(before)) / CLIENTS,
  };
}

async function startGateway(): Promise<{ gateway: ChildProcess; url: string }> {
  const program = fileURLToPath(new URL('../gateway/main.ts', import.meta.url));
  const env = { ...process.env, PORT: '0', ADMIN_PORT: '0', DRAIN: 'abrupt' };
  const gateway = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(gateway.stdout, 'data')) as [Buffer];
  return { gateway, url: `ws://127.0.0.1:${(JSON.parse(String(line)) as { port: number }).port}/` };
}

async function compare(): Promise<void> {
  const rounds: Record<Kind, Figures[]> = { bare: [], fleet: [] };
  for (let round = 0; round < ROUNDS; round++) {
    // The first of two is better off on some machines, so they take turns at it.
    const order: Kind[] = round % 2 === 0 ? ['bare', 'fleet'] : ['fleet', 'bare'];
    for (const kind of order) {
      const { gateway, url } = await startGateway();
      const child = fork(fileURLToPath(import.meta.url), [kind, url, String(round)], {
        execArgv: ['--expose-gc'],
      });
      const [figures] = (await once(child, 'message')) as [Figures];
      rounds[kind].push(figures);
      await once(child, 'exit');
      gateway.kill('SIGKILL');
      await once(gateway, 'exit');
    }
  }
  report(rounds);
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;

function report(rounds: Record<Kind, Figures[]>): void {
  const of = (kind: Kind, figure: keyof Figures) => median(rounds[kind].map((each) => each[figure]));
  const table = benchTable([
    `${CLIENTS} clients, median of ${ROUNDS}`,
    'bare ws',
    'fleet',
    'ratio',
    'target',
  ]);
  const row = (name: string, figure: keyof Figures, unit: (value: number) => string, target: string) => {
    const [bare, fleet] = [of('bare', figure), of('fleet', figure)];
    table.push([name, unit(bare), unit(fleet), (fleet / bare).toFixed(2), target]);
    return fleet / bare;
  };
  const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(2)} kB`;
  const memory = row('resident memory a client', 'resident', kilobytes, `at most ${TARGET.memory}`);
  row('of which objects', 'heap', kilobytes, '');
  const rate = row('connects a second', 'rate', (value) => value.toFixed(0), `at least ${TARGET.rate}`);
  process.stdout.write(`${table.toString()}\n`);
  process.exitCode = memory <= TARGET.memory && rate >= TARGET.rate ? 0 : 1;
}

const [kind, url, round] = process.argv.slice(2);
if (kind === undefined || url === undefined) await compare();
else {
  process.send?.(await measure(kind as Kind, url, Number(round)));
  process.exit(0);
}
