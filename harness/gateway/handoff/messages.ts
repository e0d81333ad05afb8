import type { WebSocketState } from './continue-websocket.ts';

/** A connection's number, given by the supervisor when it accepts it. */
export type ConnectionId = number;

/** What the supervisor tells a worker over IPC; `accept` and `adopt` carry the TCP socket. */
export type ToWorker =
  /** A fresh TCP connection. */
  | { readonly kind: 'accept'; readonly id: ConnectionId }
  /** A WebSocket that another worker has released. */
  | { readonly kind: 'adopt'; readonly id: ConnectionId; readonly state: WebSocketState }
  /** Give back this many connections more; those that are still in their handshake as soon as they have ended it. */
  | { readonly kind: 'release'; readonly count: number }
  /** SIGTERM, as a gateway understands it. */
  | { readonly kind: 'terminate' }
  | { readonly kind: 'request'; readonly number: number; readonly method: string; readonly path: string };

/** What a worker tells its supervisor. */
export type ToSupervisor =
  | { readonly kind: 'ready' }
  /** The connection is over; the supervisor's own copy of the socket may go. */
  | { readonly kind: 'ended'; readonly id: ConnectionId }
  /** The worker has stopped reading and writing; whoever has the state may go on. */
  | { readonly kind: 'released'; readonly id: ConnectionId; readonly state: WebSocketState }
  /** The worker has dealt with a connection that another one had released. */
  | { readonly kind: 'adopted'; readonly id: ConnectionId }
  /** The worker that was told to release has no connection left. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'answer'; readonly number: number; readonly status: number; readonly body: unknown };
