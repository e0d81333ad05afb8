import type { Millis } from '../../../harness/time/duration.ts';
import type { Connection } from './conntrack.ts';
import type { Address } from './ipv4.ts';
import type { Fate, Packet } from './packet.ts';

/** What a node's kernel does with packets that come in: one implementation for each way of doing Services. */
export interface Dataplane {
  /** Decides on a packet and rewrites it as NAT does; answers of the pods on the node come in here as well. */
  receive(packet: Packet, connection: Connection, now: Millis): Fate;
  /** Why the last packet was not forwarded, in the dataplane's own words. */
  readonly reason: string;
  /** Whether the last packet's connection was known as established until it had idled for too long. */
  readonly hasExpired: boolean;
  /** Forgets all connections (`conntrack -F`). */
  flush(): void;
}

/** What a dataplane knows of the node it runs on. */
export interface NodeContext {
  readonly address: Address;
  /** Whether an address is the node's own, balancers' addresses included where the node holds them. */
  isLocal(address: Address): boolean;
  /** Whether an address belongs to the pods of this node. */
  isOwnPod(address: Address): boolean;
}
