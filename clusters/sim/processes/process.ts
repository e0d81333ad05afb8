import type { Greeting } from '../../../harness/contracts/connection.ts';
import type { DrainHow } from '../../../harness/gateway/drain.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import type { MeshConfig } from '../../control-plane/mesh/mesh.ts';
import type { PodEnd } from '../network/pod-end.ts';

/** One client's connection as the gateway holds it. */
export interface GatewayConnection {
  /** The client's, for the log. */
  readonly name: string;
  /** Its handshake has been paid for long before the run. */
  readonly isSettled: boolean;
  /** The client has gone. */
  readonly hasLeft: boolean;
  /** Says who serves: the first time that opens the connection for the client, later another gateway has taken it over. */
  greet(greeting: Greeting): void;
  /** Sends a pong later than its ping. */
  answer(): void;
  /** Sends a close frame. */
  refuse(code: number, reason: string): void;
  /** Sends a close frame (1012), or a message that asks the client to leave. */
  ask(how: DrainHow): void;
  /** The gateway's process has ended and its kernel closes this connection. */
  end(): void;
  /** The gateway is gone with its node or its network; nothing is sent. */
  vanish(): void;
}

/** What runs in a pod, as its kernel, its kubelet and its clients' connections meet it. */
export interface SimProcess {
  /** What its kernel closes when it ends. */
  readonly connections: Iterable<GatewayConnection>;
  /** What else it closes: connections whose upgrade has not been answered yet. */
  readonly waiting?: Iterable<GatewayConnection>;
  listens(port: number): boolean;
  /**
   * Answers the upgrade request on a new connection, at once or when its turn has come: with the greeting, or with why
   * it is refused.
   */
  upgrade(connection: GatewayConnection, answer: (welcome: Welcome | string) => void): void;
  /** The client has been greeted. */
  accept(connection: GatewayConnection): void;
  /** A connection is closed, in whatever way. */
  left(connection: GatewayConnection): void;
  /** Gateways only: a ping has come in, and is answered after so long. */
  heard?(): Millis;
  /** Gateways only: how long a request to the admin port takes. */
  asked?(): Millis;
  /** Gateways only: what the process has used since its start. */
  processorTime?(): Millis;
  /** SIGTERM. */
  terminate(): void;
  /** The process ends without a chance to do anything. */
  kill(why: string): void;
  /** The status that an HTTP request is answered with; undefined: nothing listens on that port. */
  request(method: string, path: string, port: number): number | undefined;
  /** Mesh gateways only. */
  configureProxy?(config: MeshConfig): void;
  /** SIGTERM to the containers beside the first. */
  terminateSidecars?(): void;
  /** Ingress controllers only. */
  configure?(config: IngressConfig, reload: boolean): void;
}

/** All that a process's kernel closes when it ends. */
export const socketsOf = ({ connections, waiting = [] }: SimProcess): GatewayConnection[] => [
  ...connections,
  ...waiting,
];

/** A pod as those who open connections to it meet it. */
export interface ServingPod extends PodEnd {
  readonly process: SimProcess;
}

export interface Welcome {
  /** Undefined: whoever serves greets later. */
  readonly greeting?: Greeting;
  /** Whoever passes on between the client and the one that greets, if anybody. */
  readonly relay?: Relay;
}

/** A proxy's hold of one connection. */
export interface Relay {
  /** The client sends a ping; whether it is answered. */
  passes(): boolean;
  /** How long whoever answers pings takes for this one. */
  delay?(): Millis;
}
