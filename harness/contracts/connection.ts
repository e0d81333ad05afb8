/** One client's address in the fleet: its number within its group, and what it dials. */
export interface ClientAddress {
  readonly group: ClientGroup;
  /** 0, 1, 2, ... within the group. */
  readonly number: number;
  /** The Service whose load balancer the client's DNS answer names at this moment; control clients dial past it. */
  readonly service: string;
  /** It has not been connected yet in this run, for which it was there long before: what its handshake costs has been paid. */
  readonly isSettled?: boolean;
}

/** `fleet` clients dial the Service under test; `control` clients a pod that no step touches. */
export type ClientGroup = 'fleet' | 'control';

/** What the gateway says first on every connection. */
export interface Greeting {
  readonly pod: string;
  readonly version: string;
  /** The node the pod runs on, where the gateway knows it. */
  readonly node?: string;
  /** The proxy that the connection goes through, where the cluster can know. */
  readonly hop?: string;
}

/** How a connection, or an attempt at one, ended as the client's operating system showed it. */
export type Ending =
  /** A WebSocket close frame with its code. */
  | { readonly how: 'close'; readonly code: number; readonly reason: string }
  /** The TCP connection was closed without a close frame. */
  | { readonly how: 'fin' }
  | { readonly how: 'reset' }
  /** The harness's own process that held the connection ended; what became of it on the cluster nobody knows. */
  | { readonly how: 'harness-died' }
  /** Only attempts: an ICMP error or RST answered the SYN. */
  | { readonly how: 'refused'; readonly why: string };

/** What the close frame of a gateway says whose connection has reached its age (harness/gateway/age.ts). */
const AGED = 'maximum connection age';

/** Whether a gateway closed the connection for its age, for which no release is needed. */
export const isAged = (ending: Ending | { readonly how: 'silence' }): boolean =>
  ending.how === 'close' && ending.reason === AGED;

/** What a socket tells its client. Never called before `dial` returns, and nothing after `closed`. */
export interface SocketHandlers {
  /** The WebSocket is open and the gateway has said who it is. */
  opened(greeting: Greeting): void;
  /** The connection lives on, and another gateway says that it serves it from now on. */
  rehomed?(greeting: Greeting): void;
  /** A pong came in. */
  answered(): void;
  /** The gateway asks this client to reconnect by itself (an application message, not a close). */
  asked(): void;
  /** The connection, or the attempt, has ended; exactly once, unless the client destroyed the socket. */
  closed(ending: Ending): void;
}

/** One WebSocket connection, or an attempt at one. */
export interface Socket {
  /** Sends a ping; the answer arrives as `answered`, or never. */
  ping(): void;
  /** Closes in the WebSocket's own way (close frame 1000); the handlers fall silent. */
  close(): void;
  /** Drops all knowledge of the connection, as a client does that has given up on it; the handlers fall silent. */
  destroy(): void;
}
