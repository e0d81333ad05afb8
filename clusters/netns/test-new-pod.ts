import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';

/** For handoff-across-pods.test.ts: answers with what it hears and how many networks it is connected to itself. */
process.on('message', (_message, socket) => {
  const { length } = Object.keys(networkInterfaces());
  (socket as Socket).on('data', (data) => (socket as Socket).write(`${data} (networks: ${length})`));
});
process.on('disconnect', () => process.exit(0));
