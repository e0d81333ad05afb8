import type { Greeting } from '../../harness/cluster.ts';
import type { Millis } from '../../harness/duration.ts';
import type { IngressConfig } from '../control-plane/ingress.ts';
import type { MeshConfig } from '../control-plane/mesh.ts';
import type { GatewayConnection } from './gateway.ts';

/** What runs in a pod, as its kernel, its kubelet and its clients' connections meet it. */
export interface SimProcess {
  /** What its kernel closes when it ends. */
  readonly connections: Iterable<GatewayConnection>;
  listens(port: number): boolean;
  /** Answers the upgrade request on a new connection: with the greeting, or with why it is refused. */
  upgrade(connection: GatewayConnection): Welcome | string;
  /** The client has been greeted. */
  accept(connection: GatewayConnection): void;
  /** A connection is closed, in whatever way. */
  left(connection: GatewayConnection): void;
  /** Gateways only: a ping has come in, and is answered. */
  heard?(): void;
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
}
