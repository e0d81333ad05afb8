import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createInterface } from 'node:readline';
import { EventLoopLag } from '../../../harness/time/event-loop-lag.ts';
import { command } from '../../command.ts';
import type { NodeRules } from '../../control-plane/kube-proxy/rules.ts';
import { type Counters, conntrackEvent, growth, kernelCounters, ruleCounters } from './counters.ts';

/**
 * The harness's hand in one node's network namespace: answers `/healthz` on the ports it is told to, as kube-proxy's
 * own small servers do, and reports what the kernel counts there. One JSON value a line: in `Order`s, out
 * `AgentReport`s. Ends when its input does.
 */
export interface Order {
  readonly id: number;
  readonly health: NodeRules['health'];
  /** Whether there are iptables rules whose counters are worth a look. */
  readonly iptables: boolean;
}

export type AgentReport =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number; readonly error?: string }
  /** What has grown since the last report. */
  | { readonly type: 'counters'; readonly values: Counters }
  /** The worst lag of its event loop since the last report, in real milliseconds. */
  | { readonly type: 'lag'; readonly lag: number };

/** How often the counters are looked at, in real milliseconds. */
const LOOK = 1000;

const servers = new Map<number, Server>();
const answers = new Map<number, NodeRules['health'][number]>();
let iptables = false;

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

async function obey(order: Order): Promise<void> {
  iptables = order.iptables;
  answers.clear();
  for (const answer of order.health) answers.set(answer.port, answer);
  for (const [port, server] of servers)
    if (!answers.has(port)) {
      servers.delete(port);
      server.close();
      server.closeAllConnections();
    }
  const fresh = order.health.filter(({ port }) => !servers.has(port));
  const results = await Promise.allSettled(fresh.map(({ port }) => serve(port)));
  const failed = results.find((result) => result.status === 'rejected');
  report({ type: 'done', id: order.id, ...(failed ? { error: String(failed.reason) } : {}) });
}

/** Flows that conntrack tells of; none where the tool is missing, and the counters have to do. */
const flows: Record<string, number> = {};
function watchConntrack(): void {
  const events = ['--event-mask', 'NEW,DESTROY'];
  // In this process's own group: it ends when this one is killed.
  const child = spawn('conntrack', ['--event', '--proto', 'tcp', ...events], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.on('error', () => {});
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = conntrackEvent(line);
      if (event !== undefined) flows[`conntrack: ${event}`] = (flows[`conntrack: ${event}`] ?? 0) + 1;
    });
}

let last: Counters = kernelCounters(readFileSync('/proc/net/snmp', 'utf8'));
async function look(): Promise<void> {
  const rules = iptables ? await command('iptables-save', ['--counters', '--table', 'filter']) : '';
  const now = {
    ...kernelCounters(readFileSync('/proc/net/snmp', 'utf8')),
    ...ruleCounters(rules),
    ...flows,
  };
  const values = growth(last, now);
  last = now;
  if (Object.keys(values).length > 0) report({ type: 'counters', values });
}

function report(line: AgentReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

watchConntrack();
const loop = new EventLoopLag();
setInterval(() => {
  report({ type: 'lag', lag: Math.round(loop.worst(LOOK)) });
  void look().catch(() => {});
}, LOOK);
createInterface({ input: process.stdin })
  .on('line', (line) => void obey(JSON.parse(line) as Order))
  .on('close', () => process.exit(0));
report({ type: 'ready' });
