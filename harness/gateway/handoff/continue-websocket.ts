import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocketServer } from 'ws';

/** What a process must know of a WebSocket, besides its TCP socket, to go on where another one stopped. */
export interface WebSocketState {
  /** The client's bytes of a message that was not complete, in base64. */
  readonly unfinished: string;
  /** The subprotocol agreed on in the handshake; empty where none. */
  readonly protocol: string;
}

/** Any key will do: the answer computed from it is not sent. */
const KEY = Buffer.alloc(16).toString('base64');

/**
 * Continues a WebSocket whose opening handshake another process has done. The server goes through `ws`'s own
 * documented `handleUpgrade` with a request made up from the state; the 101 answer, which the client has long had,
 * is swallowed, and the unfinished bytes are given as its `head`. The server must have permessage-deflate off: the
 * compressor's window is state that cannot be moved. `ws` destroys the socket where the client has already left.
 */
export function continueWebSocket(server: WebSocketServer, socket: Socket, state: WebSocketState): void {
  const request = new IncomingMessage(socket);
  request.method = 'GET';
  request.url = '/';
  request.headers = {
    upgrade: 'websocket',
    'sec-websocket-key': KEY,
    'sec-websocket-version': '13',
    ...(state.protocol === '' ? {} : { 'sec-websocket-protocol': state.protocol }),
  };
  // An own property hides the method for the one synchronous write of the answer.
  socket.write = () => true;
  server.handleUpgrade(request, socket, Buffer.from(state.unfinished, 'base64'), (webSocket) => {
    Reflect.deleteProperty(socket, 'write');
    server.emit('connection', webSocket, request);
  });
  Reflect.deleteProperty(socket, 'write');
}
