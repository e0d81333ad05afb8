import type { Socket as TcpSocket } from 'node:net';
import { WebSocket } from 'ws';
import type { Ending, Greeting, Socket, SocketHandlers } from './cluster.ts';

/** Where a client dials to, and from. */
export interface DialTarget {
  /** Such as `ws://172.18.255.200:80/`. */
  readonly url: string;
  /** The client's own address, where it has one of its own; the operating system chooses otherwise. */
  readonly localAddress?: string;
  /** Real milliseconds after which a closing handshake that nobody answers is cut short; 2000 by default. */
  readonly closeTimeout?: number;
}

/**
 * Opens a real WebSocket with the `ws` client: the `Socket` of harness/cluster.ts on every measured cluster.
 * Never throws; whatever goes wrong arrives as `closed`. `opened` comes with the gateway's greeting, not before.
 */
export function dialWebSocket(target: DialTarget, handlers: SocketHandlers): Socket {
  try {
    return new Connection(target, handlers);
  } catch (error) {
    let silent = false;
    const quiet = () => {
      silent = true;
    };
    setImmediate(() => {
      if (!silent) handlers.closed({ how: 'refused', why: (error as Error).message });
    });
    return { ping() {}, close: quiet, destroy: quiet };
  }
}

/**
 * A `ws` client that knows its handlers. It extends WebSocket and shares its listeners with all others, so that a
 * connection costs no object or closure beyond the library's own.
 */
class Connection extends WebSocket implements Socket {
  handlers: SocketHandlers | undefined;
  greeted = false;
  /** What the raw socket or the attempt failed with; `ws` itself hides the former behind code 1006. */
  failure: NodeJS.ErrnoException | undefined;

  constructor({ url, localAddress, closeTimeout = 2000 }: DialTarget, handlers: SocketHandlers) {
    super(url, {
      perMessageDeflate: false,
      closeTimeout,
      ...(localAddress === undefined ? {} : { localAddress }),
    } as WebSocket.ClientOptions);
    this.handlers = handlers;
    this.on('message', onMessage);
    this.on('pong', onPong);
    this.on('upgrade', onUpgrade);
    this.on('error', onFailure);
    this.on('close', onClose);
  }

  override ping(): void {
    if (this.readyState === WebSocket.OPEN) super.ping();
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` itself calls close(code, reason) to answer a close frame; only a client's own call silences the handlers.
    if (code === undefined && !isAnswering(this)) {
      this.handlers = undefined;
      super.close(1000);
    } else super.close(code, reason);
  }

  destroy(): void {
    this.handlers = undefined;
    this.terminate();
  }

  end(ending: Ending): void {
    const handlers = this.handlers;
    this.handlers = undefined;
    handlers?.closed(ending);
  }
}

/** The raw socket's way back to its connection. */
const OWNER = Symbol('connection');
type OwnedSocket = TcpSocket & { [OWNER]?: Connection };

/** `ws` has received a close frame without a code and is about to answer it through close(). */
const isAnswering = (connection: Connection) =>
  (connection as unknown as { _closeFrameReceived: boolean })._closeFrameReceived;

function onUpgrade(this: WebSocket, response: { socket: TcpSocket }): void {
  const socket = response.socket as OwnedSocket;
  socket[OWNER] = this as Connection;
  socket.on('error', onSocketError);
}

function onSocketError(this: TcpSocket, error: NodeJS.ErrnoException): void {
  const owner = (this as OwnedSocket)[OWNER];
  if (owner !== undefined) owner.failure = error;
}

function onFailure(this: WebSocket, error: Error): void {
  const connection = this as Connection;
  connection.failure ??= error;
}

function onMessage(this: WebSocket, data: WebSocket.RawData): void {
  const connection = this as Connection;
  const message = parse(data);
  if (message === undefined) return;
  if (message.onedrop === 'reconnect') connection.handlers?.asked();
  else if (message.onedrop === 1) {
    const { pod, version, node } = message;
    const greeting = { pod, version, ...(node ? { node } : {}) };
    if (connection.greeted) connection.handlers?.rehomed?.(greeting);
    else {
      connection.greeted = true;
      connection.handlers?.opened(greeting);
    }
  }
}

function onPong(this: WebSocket): void {
  (this as Connection).handlers?.answered();
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  const connection = this as Connection;
  const { failure } = connection;
  // 1006: the connection went away without a close frame.
  if (code !== 1006) connection.end({ how: 'close', code, reason: reason.toString() });
  else if (failure === undefined) connection.end({ how: 'fin' });
  else if (connection.greeted) connection.end({ how: 'reset' });
  else connection.end({ how: 'refused', why: failure.code ?? failure.message });
}

type Message = Greeting & { onedrop: 1 | 'reconnect' };

function parse(data: WebSocket.RawData): Message | undefined {
  try {
    return JSON.parse(String(data)) as Message;
  } catch {
    return undefined;
  }
}
