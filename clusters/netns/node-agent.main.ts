import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import type { NodeRules } from '../control-plane/rules.ts';

/**
 * The harness's hand in one node's network namespace: answers `/healthz` on the ports it is told to, as kube-proxy's
 * own small servers do, and reports the namespace's counters. One JSON value a line: in `Order`s, out `AgentReport`s.
 * Ends when its input does.
 */
export interface Order {
  readonly id: number;
  readonly health: NodeRules['health'];
}

export type AgentReport =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number; readonly error?: string }
  /** Changes since the last report. */
  | { readonly type: 'counters'; readonly values: Readonly<Record<string, number>> };

/** How often the counters are looked at, in real milliseconds. */
const LOOK = 500;

/** What tells how a node treats packets that it does not deliver. */
const COUNTERS: readonly [table: string, name: string][] = [
  ['Icmp', 'OutDestUnreachs'],
  ['Tcp', 'OutRsts'],
  ['Ip', 'InDiscards'],
  ['Ip', 'OutNoRoutes'],
];

const servers = new Map<number, Server>();
const answers = new Map<number, NodeRules['health'][number]>();

function serve(port: number): Promise<void> {
  const server = createServer((request, response) => {
    const answer = answers.get(port);
    if (answer === undefined || request.url !== '/healthz') {
      response.writeHead(404).end();
      return;
    }
    const { ok, localEndpoints } = answer;
    response.writeHead(ok ? 200 : 503, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify(localEndpoints === undefined ? {} : { localEndpoints }));
  });
  servers.set(port, server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, resolve);
  });
}

async function obey({ id, health }: Order): Promise<void> {
  answers.clear();
  for (const answer of health) answers.set(answer.port, answer);
  for (const [port, server] of servers)
    if (!answers.has(port)) {
      servers.delete(port);
      server.close();
      server.closeAllConnections();
    }
  const fresh = health.filter(({ port }) => !servers.has(port));
  const results = await Promise.allSettled(fresh.map(({ port }) => serve(port)));
  const failed = results.find((result) => result.status === 'rejected');
  report({ type: 'done', id, ...(failed ? { error: String(failed.reason) } : {}) });
}

function counters(): Record<string, number> {
  const lines = readFileSync('/proc/net/snmp', 'utf8').split('\n');
  const values: Record<string, number> = {};
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [names, numbers] = [lines[index]?.split(' ') ?? [], lines[index + 1]?.split(' ') ?? []];
    for (const [table, name] of COUNTERS)
      if (names[0] === `${table}:`) values[`${table}.${name}`] = Number(numbers[names.indexOf(name)]);
  }
  return values;
}

let last = counters();
setInterval(() => {
  const now = counters();
  const changes = Object.entries(now)
    .map(([name, value]) => [name, value - (last[name] ?? 0)] as const)
    .filter(([, change]) => change !== 0);
  last = now;
  if (changes.length > 0) report({ type: 'counters', values: Object.fromEntries(changes) });
}, LOOK);

function report(line: AgentReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => void obey(JSON.parse(line) as Order))
  .on('close', () => process.exit(0));
report({ type: 'ready' });
