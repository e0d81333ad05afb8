import type { Millis } from '../../../harness/time/duration.ts';
import type { Routed, Target, TrackedFlow } from './balancer.ts';
import type { Connection, Conntrack, ConntrackEntry } from './conntrack.ts';
import type { Address } from './ipv4.ts';
import type { SimNode } from './node.ts';
import type { PacketKind } from './packet.ts';
import type { PodEnd } from './pod-end.ts';

/** Where a flow's packets enter: a balancer's forwarding rule, or the node of the pod that sends them. */
export interface Entrance {
  /** Grows with each change that could send a packet another way. */
  readonly epoch: number;
  /** The idle time after which it forgets a flow. */
  readonly idle: Millis;
  /** Undefined: there is no such forwarding rule. */
  readonly program: unknown;
  /** Where this packet goes. */
  route(flow: TrackedFlow, kind: PacketKind, now: Millis): Routed;
}

/**
 * One TCP connection from a client's port to a balancer's address, with what every table on its way knows of it.
 * A path that has delivered is remembered: as long as nothing on it changes and no table forgets it for want of
 * packets, the next packet fares the same, so walking it again would only cost time.
 */
export class Flow implements Connection, TrackedFlow {
  // What every packet on a remembered path looks at stands first, so that it lies together in memory.
  /** Sum of the epochs along the path: each only grows, so an equal sum means that none has changed. */
  private stamp = -1;
  /** The fabric's epoch at which the stamp was last found to be right. */
  private seen = -1;
  /** When a packet last went along the remembered path. */
  last: Millis = 0;
  /** The shortest idle time of the tables on the path. */
  private patience: Millis = 0;
  readonly client: Address;
  readonly clientPort: number;
  readonly address: Address;
  readonly port: number;
  readonly frontend: Entrance;
  newest: ConntrackEntry | undefined = undefined;
  expired: Conntrack | undefined = undefined;
  tracked: Target | undefined = undefined;
  trackedAt: Millis = 0;
  trackedGeneration = 0;
  /** The server's half: the pod that accepted, its port, and the peer that it sees behind NAT. */
  pod: PodEnd | undefined = undefined;
  podPort = 0;
  peer: Address = 0;
  peerPort = 0;
  isServerOpen = false;
  /** Counts walks; entries carry the number of the last one that they served. */
  walk = 0;
  /** The node that the last delivered exchange entered by. */
  via: SimNode | undefined = undefined;
  private over: SimNode | undefined = undefined;

  constructor(client: Address, clientPort: number, address: Address, port: number, frontend: Entrance) {
    this.client = client;
    this.clientPort = clientPort;
    this.address = address;
    this.port = port;
    this.frontend = frontend;
  }

  accept(pod: PodEnd, port: number, peer: Address, peerPort: number): void {
    this.pod = pod;
    this.podPort = port;
    this.peer = peer;
    this.peerPort = peerPort;
    this.isServerOpen = true;
  }

  /** The server's process is done with this connection; its TCP answers nothing any more but RST. */
  shut(): void {
    this.isServerOpen = false;
    this.forget();
  }

  isServer(pod: PodEnd, port: number, peer: Address, peerPort: number): boolean {
    return (
      this.isServerOpen &&
      this.pod === pod &&
      this.podPort === port &&
      this.peer === peer &&
      this.peerPort === peerPort
    );
  }

  remembers(now: Millis, epoch: number): boolean {
    if (this.stamp < 0 || now - this.last > this.patience) return false;
    if (this.seen === epoch) return true;
    if (this.stamp !== this.sum()) return false;
    this.seen = epoch;
    return true;
  }

  /** Takes the walk just done, through `hops`, for the path of the packets to come. */
  remember(hops: readonly SimNode[], epoch: number, now: Millis): void {
    this.last = now;
    if (hops.length > 2) return;
    this.over = hops[1];
    this.stamp = this.sum();
    this.seen = epoch;
    this.patience = this.frontend.idle;
    for (let entry = this.newest; entry !== undefined; entry = entry.older)
      if (entry.walk === this.walk && entry.timeout() < this.patience) this.patience = entry.timeout();
  }

  forget(): void {
    this.stamp = -1;
  }

  touch(): void {
    if (this.stamp < 0) return;
    if (this.trackedAt < this.last) this.trackedAt = this.last;
    for (let entry = this.newest; entry !== undefined; entry = entry.older)
      if (entry.walk === this.walk && entry.last < this.last) entry.last = this.last;
  }

  private sum(): number {
    return this.frontend.epoch + (this.via?.epoch ?? 0) + (this.over?.epoch ?? 0) + (this.pod?.epoch ?? 0);
  }
}
