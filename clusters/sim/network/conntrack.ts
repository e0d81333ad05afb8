import type { Millis } from '../../../harness/time/duration.ts';
import type { Address } from './ipv4.ts';
import type { Packet, PacketKind } from './packet.ts';

/**
 * What all tables know about one TCP connection. It stands in for the hash bucket: packets carry their connection,
 * and as no two living connections share addresses and ports, no other connection's entry could match.
 */
export interface Connection {
  /** The number of the walk under way, which the entries that serve it take on. */
  readonly walk: number;
  /** The newest entry of all, the head of a list; an array for one or two entries would cost more than they do. */
  newest: ConntrackEntry | undefined;
  /** The table that last forgot it, when established, for want of packets; until it has an entry there again. */
  expired?: Conntrack | undefined;
  /** Brings `last` of the entries that a remembered path uses up to date. */
  touch(): void;
}

/** How long an entry outlives its last packet, by what TCP was last seen doing. */
export interface ConntrackTimeouts {
  readonly opening: Millis;
  readonly established: Millis;
  /** Picked up mid-stream, and no answer seen yet. */
  readonly unanswered: Millis;
  readonly closing: Millis;
  readonly reset: Millis;
}

/** kube-proxy sets 24 h for established flows (FACTS B5); the rest are the kernel's (nf_conntrack_proto_tcp.c). */
export const NODE_TIMEOUTS: ConntrackTimeouts = {
  opening: 120_000,
  established: 24 * 3_600_000,
  unanswered: 300_000,
  closing: 120_000,
  reset: 10_000,
};

/** The entry of one connection in one table: the tuple as it came in, and the tuple of the answers. */
export class ConntrackEntry {
  readonly table: Conntrack;
  readonly connection: Connection;
  /** The next entry of the same connection. */
  older: ConntrackEntry | undefined = undefined;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  /** Who answers: the destination after DNAT. */
  answerer: Address;
  answererPort: number;
  /** Whom they answer: the source after SNAT. */
  asker: Address;
  askerPort: number;
  generation: number;
  seenReply = false;
  /** Only answers still match; a newer entry translates what comes from the client (IPVS, Cilium). */
  superseded = false;
  phase: 'opening' | 'established' | 'closing' | 'reset';
  last: Millis;
  /** The number of the connection's remembered walk that used this entry. */
  walk: number;

  constructor(table: Conntrack, connection: Connection, packet: Packet, now: Millis) {
    this.table = table;
    this.connection = connection;
    this.source = packet.source;
    this.sourcePort = packet.sourcePort;
    this.destination = packet.destination;
    this.destinationPort = packet.destinationPort;
    this.answerer = packet.destination;
    this.answererPort = packet.destinationPort;
    this.asker = packet.source;
    this.askerPort = packet.sourcePort;
    this.generation = table.generation;
    this.phase = packet.kind === 'syn' ? 'opening' : 'established';
    this.last = now;
    this.walk = connection.walk;
  }

  get dnat(): boolean {
    return this.answerer !== this.destination || this.answererPort !== this.destinationPort;
  }

  get snat(): boolean {
    return this.asker !== this.source || this.askerPort !== this.sourcePort;
  }

  /** How long it lives after its last packet. */
  timeout(): Millis {
    const { timeouts } = this.table;
    if (this.phase === 'established' && !this.seenReply) return timeouts.unanswered;
    return timeouts[this.phase];
  }

  alive(now: Millis): boolean {
    if (this.generation !== this.table.generation) return false;
    if (now - this.last <= this.timeout()) return true;
    this.connection.touch();
    return now - this.last <= this.timeout();
  }

  /** Rewrites a packet of the original direction. */
  translate(packet: Packet): void {
    packet.destination = this.answerer;
    packet.destinationPort = this.answererPort;
    packet.source = this.asker;
    packet.sourcePort = this.askerPort;
  }

  /** Rewrites an answer. */
  translateReply(packet: Packet): void {
    packet.source = this.destination;
    packet.sourcePort = this.destinationPort;
    packet.destination = this.source;
    packet.destinationPort = this.sourcePort;
  }
}

/** One node's connection tracking table, as far as TCP and NAT need it (kernel nf_conntrack_core.c, nf_conntrack_proto_tcp.c). */
export class Conntrack {
  readonly timeouts: ConntrackTimeouts;
  /** nf_conntrack_tcp_loose: whether a data packet without an entry starts one. */
  readonly loose: boolean;
  generation = 0;
  /** Whether the packet of the last `find` was an answer. */
  isReply = false;
  /** Whether the last `find` found nothing because the connection had been established and idled for too long. */
  hasExpired = false;

  constructor(options: { loose: boolean; timeouts?: ConntrackTimeouts }) {
    this.loose = options.loose;
    this.timeouts = options.timeouts ?? NODE_TIMEOUTS;
  }

  /** The entry that a packet belongs to; forgets what has timed out on the way. */
  find(packet: Packet, connection: Connection, now: Millis): ConntrackEntry | undefined {
    for (let entry = connection.newest; entry !== undefined; entry = entry.older) {
      if (entry.table !== this) continue;
      const isOriginal =
        !entry.superseded &&
        entry.source === packet.source &&
        entry.sourcePort === packet.sourcePort &&
        entry.destination === packet.destination &&
        entry.destinationPort === packet.destinationPort;
      if (!isOriginal && !answers(packet, entry)) continue;
      if (!entry.alive(now)) {
        if (entry.generation === this.generation && entry.phase === 'established') connection.expired = this;
        forget(entry);
        continue;
      }
      this.isReply = !isOriginal;
      this.hasExpired = false;
      return entry;
    }
    this.isReply = false;
    this.hasExpired = connection.expired === this;
    return undefined;
  }

  /** Whether a packet without an entry is NEW; otherwise it is INVALID, and no NAT touches it. */
  startsEntry(kind: PacketKind): boolean {
    return kind === 'syn' || (kind === 'data' && this.loose);
  }

  /** Makes a new entry known. */
  confirm(entry: ConntrackEntry): void {
    if (entry.connection.expired === this) entry.connection.expired = undefined;
    entry.older = entry.connection.newest;
    entry.connection.newest = entry;
  }

  /** A packet of this entry was let through; `isReply` says in which direction it went. */
  accept(entry: ConntrackEntry, kind: PacketKind, isReply: boolean, now: Millis): void {
    entry.last = now;
    entry.walk = entry.connection.walk;
    if (kind === 'reset') {
      // "If our only reply is a RST, we can consider ourselves not to have an established connection."
      if (!entry.seenReply) entry.generation = -1;
      entry.phase = 'reset';
      return;
    }
    if (isReply) entry.seenReply = true;
    if (kind === 'fin') entry.phase = 'closing';
    else if (entry.phase === 'opening' && isReply) entry.phase = 'established';
    // A port that is used again: a SYN revives what was closing.
    else if (kind === 'syn' && !isReply && entry.phase !== 'established') entry.phase = 'opening';
  }

  /** Forgets everything (`conntrack -F`). */
  flush(): void {
    this.generation++;
  }
}

function forget(gone: ConntrackEntry): void {
  const { connection } = gone;
  if (connection.newest === gone) connection.newest = gone.older;
  else
    for (let entry = connection.newest; entry !== undefined; entry = entry.older)
      if (entry.older === gone) entry.older = gone.older;
}

const answers = (packet: Packet, entry: ConntrackEntry) =>
  packet.source === entry.answerer &&
  packet.sourcePort === entry.answererPort &&
  packet.destination === entry.asker &&
  packet.destinationPort === entry.askerPort;
