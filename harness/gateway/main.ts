import { writeSync } from 'node:fs';
import { bootTime } from './boot.ts';
import { gatewayEnvironment } from './environment.ts';
import { Gateway } from './gateway.ts';

/** The gateway as a process of its own: `node main.ts`, given the package `ws` and this directory. */
const { settings, mistakes } = gatewayEnvironment(process.env);
if (mistakes.length > 0) {
  writeSync(2, `${mistakes.join('\n')}\n`);
  process.exit(64);
}

const gateway = new Gateway({ ...settings, log, exit: (code = 0) => process.exit(code) });
// Before anything else: a container's first process ignores signals that it has no handler for.
process.on('SIGTERM', () => gateway.terminate());
const booted = bootTime(settings.boot, settings.pod) - settings.now();
if (booted > 0) await new Promise<void>((resolve) => settings.after(booted, resolve));
log({ did: 'listening', pid: process.pid, ...(await gateway.listen()) });

// Synchronous, so that the last line is out before the process is.
function log(line: Readonly<Record<string, unknown>>): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
