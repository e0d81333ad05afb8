import { fork } from 'node:child_process';
import { writeSync } from 'node:fs';
import { gatewayEnvironment } from '../environment.ts';
import { Supervisor } from './supervisor.ts';

/**
 * A pod whose application is replaced under its connections: `node main.ts`, given the package `ws` and the
 * gateway's directory. Its environment is the gateway's; VERSION is the first worker's.
 */
const { settings, mistakes } = gatewayEnvironment(process.env);
if (mistakes.length > 0) {
  writeSync(2, `${mistakes.join('\n')}\n`);
  process.exit(64);
}

const supervisor = new Supervisor({
  version: settings.version,
  port: settings.port,
  adminPort: settings.adminPort,
  fork: (version) =>
    fork(new URL('./worker.main.ts', import.meta.url), { env: { ...process.env, VERSION: version } }),
  log,
  exit: () => process.exit(0),
});
process.on('SIGTERM', () => supervisor.terminate());
log({ did: 'listening', ...(await supervisor.listen()) });

function log(line: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
