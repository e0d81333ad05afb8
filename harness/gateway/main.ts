import { writeSync } from 'node:fs';
import { type Drain, Gateway } from './gateway.ts';

/**
 * The gateway as a process of its own: `node main.ts`, given the package `ws` and this directory.
 * Environment: VERSION, PORT (8080), ADMIN_PORT (8081), DRAIN (abrupt, close-all or paced), DRAIN_OVER (model
 * milliseconds), POD_NAME, NODE_NAME, TIME_SCALE (model milliseconds a real one, 1).
 */
const { env } = process;
const mistakes: string[] = [];

function number(name: string, fallback: number, least: number): number {
  const value = Number(env[name] ?? fallback);
  if (!(value >= least && Number.isFinite(value)))
    mistakes.push(`${name}=${env[name]}: a number from ${least}`);
  return value;
}

const drain = env.DRAIN ?? 'close-all';
if (!['abrupt', 'close-all', 'paced'].includes(drain))
  mistakes.push(`DRAIN=${drain}: abrupt, close-all or paced`);
const speed = number('TIME_SCALE', 1, Number.MIN_VALUE);
const LONGEST_TIMER = 2 ** 31 - 1;

const gateway = new Gateway({
  version: env.VERSION ?? 'v1',
  pod: env.POD_NAME ?? env.HOSTNAME ?? 'gateway',
  node: env.NODE_NAME,
  port: number('PORT', 8080, 0),
  adminPort: number('ADMIN_PORT', 8081, 0),
  drain: drain as Drain,
  drainOver: number('DRAIN_OVER', 300_000, 0),
  // 30 s of model time as `ws` has it, but never less than a busy machine may need.
  closeTimeout: Math.max(1000, 30_000 / speed),
  now: () => performance.now() * speed,
  after: (delay, fire) => void setTimeout(fire, Math.min(LONGEST_TIMER, delay / speed)),
  log,
  exit: () => process.exit(0),
});

if (mistakes.length > 0) {
  writeSync(2, `${mistakes.join('\n')}\n`);
  process.exit(64);
}
// Before anything else: a container's first process ignores signals that it has no handler for.
process.on('SIGTERM', () => gateway.terminate());
log({ did: 'listening', ...(await gateway.listen()) });

// Synchronous, so that the last line is out before the process is.
function log(line: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
