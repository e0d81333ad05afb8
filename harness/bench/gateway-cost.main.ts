/**
 * What the built-in gateway costs in processor time, for harness/gateway/cost.ts: boot, idling, handshakes, pings and
 * endings, in milliseconds of one core each. Linux only; the load is open, at a few rates, after a warm-up.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';

const PORT = 18_080;
const program = fileURLToPath(new URL('../gateway/main.ts', import.meta.url));
const env = { PATH: process.env.PATH, PORT: String(PORT), ADMIN_PORT: String(PORT + 1) };
const gateway = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
await once(gateway.stdout, 'data');

/** Exact, unlike the hundredths of a second in `stat`. */
function processorTime(): number {
  const tasks = readdirSync(`/proc/${gateway.pid}/task`);
  const of = (task: string) => readFileSync(`/proc/${gateway.pid}/task/${task}/schedstat`, 'utf8');
  return tasks.reduce((sum, task) => sum + Number(of(task).split(' ')[0]), 0) / 1e6;
}

async function cost(what: string, count: number, act: () => Promise<void>): Promise<void> {
  const before = processorTime();
  await act();
  await sleep(500);
  process.stdout.write(`${what}: ${((processorTime() - before) / count).toFixed(5)} ms\n`);
}

async function evenly(count: number, rate: number, act: (index: number) => void): Promise<void> {
  const begun = performance.now();
  for (let index = 0; index < count; index++) {
    act(index);
    const ahead = begun + ((index + 1) * 1000) / rate - performance.now();
    if (ahead > 1) await sleep(ahead);
  }
}

const sockets: WebSocket[] = [];
const dial = () => {
  const socket = new WebSocket(`ws://127.0.0.1:${PORT}`);
  socket.on('error', () => {});
  sockets.push(socket);
};
const ping = (index: number) => sockets[index % sockets.length]?.ping();

process.stdout.write(`boot: ${processorTime().toFixed(0)} ms\n`);
await evenly(500, 500, dial);
await sleep(1000);
await evenly(2000, 500, ping);
await cost('idle with 500 connections, a second', 5.5, () => sleep(5000));
for (const rate of [20, 100, 500])
  await cost(`handshake at ${rate} a second`, rate * 4, () => evenly(rate * 4, rate, dial));
await cost(`idle with ${sockets.length} connections, a second`, 5.5, () => sleep(5000));
for (const rate of [20, 100, 500])
  await cost(`message at ${rate} a second`, rate * 4, () => evenly(rate * 4, rate, ping));
await cost('ending at 500 a second', sockets.length, () =>
  evenly(sockets.length, 500, (index) => sockets[index]?.close()),
);
gateway.kill('SIGKILL');
