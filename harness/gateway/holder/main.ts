import { writeSync } from 'node:fs';
import { EnvironmentReader, gatewayEnvironment } from '../environment.ts';
import { HOLD_FOR, PATIENCE } from './endings.ts';
import { Holder } from './holder.ts';

/**
 * The connection holder as a process of its own: `node main.ts`, given the package `ws` and the gateway's
 * directory. Its environment is the gateway's and UPSTREAM (such as ws://10.96.100.1:80), PATIENCE (5000 model
 * milliseconds) and HOLD_FOR (20000).
 */
const { env } = process;
const { settings, mistakes } = gatewayEnvironment(env);
const read = new EnvironmentReader(env);
// What limits the gateways' pods does not limit those of the holder: it has no application.
const { capacity: _, ...unlimited } = settings;
const options = {
  ...unlimited,
  upstream: env.UPSTREAM ?? '',
  // Never less than a busy machine may need, however fast model time runs.
  patience: Math.max(
    read.number('PATIENCE', PATIENCE, 1),
    1000 * read.number('TIME_SCALE', 1, Number.MIN_VALUE),
  ),
  holdFor: read.number('HOLD_FOR', HOLD_FOR, 0),
};
const all = [...mistakes, ...read.mistakes];
if (!/^wss?:\/\/[^/]+$/.test(options.upstream))
  all.push(`UPSTREAM=${options.upstream}: such as ws://10.96.100.1:80`);
if (all.length > 0) {
  writeSync(2, `${all.join('\n')}\n`);
  process.exit(64);
}

const holder = new Holder({ ...options, log, exit: () => process.exit(0) });
process.on('SIGTERM', () => holder.terminate());
log({ did: 'listening', ...(await holder.listen()) });

function log(line: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
