/**
 * Holds real WebSocket connections for a harness whose own file descriptors do not suffice. Both sides speak in
 * batches over Node's own channel: in `Told`s, out `Heard`s. Ends with the harness.
 */

import { type ClientProtocol, clientProtocol, type Speech } from '../config/client-protocol.ts';
import type { Ending, Greeting, Socket } from '../contracts/connection.ts';
import { EventLoopLag } from '../time/event-loop-lag.ts';
import { type DialTarget, dialWebSocket } from './websocket.ts';

/** What the harness wants of a connection. */
export type Told =
  /** What the user's own gateway speaks; before any connection to it. */
  | readonly [what: 'speak', id: 0, own: Speech]
  | readonly [what: 'dial', id: number, target: DialTarget, own: boolean]
  | readonly [what: 'ping' | 'close' | 'destroy', id: number];

/** What a connection tells. */
export type Heard =
  | readonly [what: 'opened' | 'rehomed', id: number, greeting: Greeting]
  | readonly [what: 'answered' | 'asked', id: number]
  | readonly [what: 'closed', id: number, ending: Ending]
  /** The worst lag of this process's event loop in the last second, in real milliseconds. */
  | readonly [what: 'lag', id: 0, lag: number];

/** How often the lag is told, in real milliseconds. */
const LOOK = 1000;

const sockets = new Map<number, Socket>();

let batch: Heard[] = [];
function hear(heard: Heard): void {
  if (batch.length === 0) setImmediate(flush);
  batch.push(heard);
}
function flush(): void {
  const heard = batch;
  batch = [];
  if (process.connected) process.send?.(heard);
}

let protocol: ClientProtocol | undefined;

function dial(id: number, target: DialTarget, own: boolean): void {
  const spoken = own && protocol !== undefined ? { ...target, protocol } : target;
  const socket = dialWebSocket(spoken, {
    opened: (greeting) => hear(['opened', id, greeting]),
    rehomed: (greeting) => hear(['rehomed', id, greeting]),
    answered: () => hear(['answered', id]),
    asked: () => hear(['asked', id]),
    closed(ending) {
      sockets.delete(id);
      hear(['closed', id, ending]);
    },
  });
  sockets.set(id, socket);
}

process.on('message', (told: Told[]) => {
  for (const order of told) {
    const [what, id] = order;
    if (what === 'speak') protocol = clientProtocol(order[2]);
    else if (what === 'dial') dial(id, order[2], order[3]);
    else {
      sockets.get(id)?.[what]();
      if (what !== 'ping') sockets.delete(id);
    }
  }
});
const loop = new EventLoopLag();
setInterval(() => hear(['lag', 0, loop.worst(LOOK)]), LOOK);
process.on('disconnect', () => process.exit(0));
