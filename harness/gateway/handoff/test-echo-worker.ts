import { gatewayEnvironment } from '../environment.ts';
import { Gateway } from '../gateway.ts';
import type { ToWorker } from './messages.ts';
import { Worker } from './worker.ts';

/** A worker whose application answers: `<version>:<message>`, and for `flood` with a mebibyte. */
const { settings } = gatewayEnvironment(process.env);
const gateway = new Gateway({ ...settings, log: () => {}, exit: () => process.exit(0) });
gateway.webSockets.on('connection', (webSocket) => {
  webSocket.on('message', (data) => {
    const text = String(data);
    webSocket.send(
      text === 'flood' ? Buffer.alloc(2 ** 20, settings.version) : `${settings.version}:${text}`,
    );
  });
});
const worker = new Worker({
  gateway,
  send: (message) => process.connected && process.send?.(message, undefined, undefined, () => {}),
  after: (delay, fire) => void setTimeout(fire, delay).unref(),
});
process.on('message', (message, socket) => worker.receive(message as ToWorker, socket as never));
process.on('disconnect', () => process.exit(0));
if (settings.version === 'broken') process.exit(1);
process.send?.({ kind: 'ready' });
