import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { gatewayEnvironment } from '../environment.ts';
import { Gateway } from '../gateway.ts';
import type { ToSupervisor, ToWorker } from './messages.ts';
import { Worker } from './worker.ts';

/** One version of the application, forked by the supervisor; its environment is the gateway's. */
const { settings, mistakes } = gatewayEnvironment(process.env);
if (mistakes.length > 0 || process.send === undefined) {
  writeSync(2, `${mistakes.join('\n') || 'worker.main.ts is forked by a supervisor (main.ts)'}\n`);
  process.exit(64);
}

const gateway = new Gateway({
  ...settings,
  log: (line) => void writeSync(1, `${JSON.stringify(line)}\n`),
  exit: (code = 0) => process.exit(code),
});
const send = (message: ToSupervisor) => {
  // The supervisor may be gone already; then this process ends as well.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
const worker = new Worker({
  gateway,
  send,
  after: (delay, fire) => void setTimeout(fire, delay).unref(),
});
process.on('message', (message, socket) => worker.receive(message as ToWorker, socket as Socket | undefined));
// No connection outlives the supervisor that lent it.
process.on('disconnect', () => process.exit(0));
// A signal to the whole process group is the supervisor's to understand.
process.on('SIGTERM', () => {});
send({ kind: 'ready' });
