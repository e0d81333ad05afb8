import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { SERVICE_RESTART } from '../drain.ts';
import type { Gateway } from '../gateway.ts';
import { continueWebSocket } from './continue-websocket.ts';
import { FrameTracker } from './frame-tracker.ts';
import type { ConnectionId, ToSupervisor, ToWorker } from './messages.ts';

interface Connection {
  readonly id: ConnectionId;
  readonly socket: Socket;
  /** Undefined until the opening handshake is done. */
  webSocket?: WebSocket;
  readonly tracker: FrameTracker;
  /** It was to be released before it had taken what was written to it. */
  isSlow?: true;
}

/** What a worker needs from its process. */
export interface WorkerHost {
  readonly gateway: Gateway;
  send(message: ToSupervisor): void;
  /** Calls `fire` after so many real milliseconds. */
  after(delay: number, fire: () => void): void;
}

/** Real milliseconds for a client to take what was written to it, or to end its handshake, once it is to be released. */
const PATIENCE = 5000;

/**
 * One version of the application in a process of its own: a gateway without a port, which gets its connections
 * from a supervisor and can give them back in the middle of a conversation.
 *
 * A connection is given back in one turn of the event loop, in which nothing can arrive: all that was read has
 * been handled, all that was written is in the kernel, the bytes of an unfinished message go into the state, and
 * the worker's copy of the socket is closed. Bytes that come later wait in the kernel for the next worker, for the
 * supervisor keeps the socket open and never reads from it.
 */
export class Worker {
  private readonly host: WorkerHost;
  private readonly connections = new Map<Socket, Connection>();
  private releasing = false;
  /** What is to be released next, and how much of it the supervisor has room for. */
  private queue: Connection[] = [];
  private room = 0;

  constructor(host: WorkerHost) {
    this.host = host;
    host.gateway.webSockets.on('connection', (webSocket, request) => this.opened(webSocket, request.socket));
  }

  /** Handles one message from the supervisor, and the socket that came with it. */
  receive(message: ToWorker, socket: Socket | undefined): void {
    const { gateway, send } = this.host;
    switch (message.kind) {
      case 'accept':
      case 'adopt':
        // The client had gone before its socket could be passed on.
        if (socket === undefined) send({ kind: 'ended', id: message.id });
        else this.take(message, socket);
        if (message.kind === 'adopt') send({ kind: 'adopted', id: message.id });
        return;
      case 'release':
        this.room += message.count;
        if (!this.releasing) this.startReleasing();
        this.releaseNext();
        return;
      case 'terminate':
        gateway.terminate();
        return;
      case 'request': {
        const [status, body] = gateway.control(message.method, message.path);
        send({ kind: 'answer', number: message.number, status, body });
        return;
      }
    }
  }

  private take(message: Extract<ToWorker, { kind: 'accept' | 'adopt' }>, socket: Socket): void {
    const { id } = message;
    this.connections.set(socket, { id, socket, tracker: new FrameTracker() });
    socket.on('error', ignore);
    socket.on('close', () => {
      // Unless it was released, which took it from the list.
      if (this.connections.delete(socket)) {
        this.host.send({ kind: 'ended', id });
        this.sayWhenEmpty();
      }
    });
    const { webSockets, server } = this.host.gateway;
    if (message.kind === 'accept') server.emit('connection', socket);
    else continueWebSocket(webSockets, socket, message.state);
  }

  private opened(webSocket: WebSocket, socket: Socket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined) return;
    connection.webSocket = webSocket;
    // Sees the same bytes as `ws`, which has asked for them in this very turn.
    socket.on('data', (chunk: Buffer) => connection.tracker.push(chunk));
    if (this.releasing) this.offer(connection);
  }

  private startReleasing(): void {
    this.releasing = true;
    for (const connection of this.connections.values())
      if (connection.webSocket !== undefined) this.queue.push(connection);
      else
        this.host.after(PATIENCE, () => {
          if (connection.webSocket === undefined) connection.socket.destroy();
        });
    this.sayWhenEmpty();
  }

  private offer(connection: Connection): void {
    this.queue.push(connection);
    this.releaseNext();
  }

  private releaseNext(): void {
    while (this.room > 0) {
      const connection = this.queue.shift();
      if (connection === undefined) return;
      if (this.release(connection)) this.room--;
    }
  }

  private release(connection: Connection): boolean {
    const { id, socket, tracker } = connection;
    const webSocket = connection.webSocket as WebSocket;
    const isOver = () => socket.destroyed || webSocket.readyState !== webSocket.OPEN;
    // One in its closing handshake is left to end it.
    if (isOver()) return false;
    socket.pause();
    // What the stream has read ahead is still this worker's; its listeners see it here.
    while (socket.read() !== null);
    if (isOver()) return false;
    if (socket.writableLength > 0 || webSocket.bufferedAmount > 0) {
      socket.resume();
      this.wait(connection);
      return false;
    }
    this.connections.delete(socket);
    socket.destroy();
    const state = { unfinished: tracker.unfinished().toString('base64'), protocol: webSocket.protocol };
    this.host.send({ kind: 'released', id, state });
    this.sayWhenEmpty();
    return true;
  }

  /** The client has not taken yet what was written to it; if it never does, it is told to come again. */
  private wait(connection: Connection): void {
    const { socket } = connection;
    // Nothing, behind all that waits: called back once the kernel has taken it.
    socket.write('', () => this.offer(connection));
    if (connection.isSlow) return;
    connection.isSlow = true;
    this.host.after(PATIENCE, () => {
      if (this.connections.has(socket)) connection.webSocket?.close(SERVICE_RESTART, 'service restart');
    });
  }

  private sayWhenEmpty(): void {
    if (this.releasing && this.connections.size === 0) this.host.send({ kind: 'empty' });
  }
}

const ignore = () => {};
