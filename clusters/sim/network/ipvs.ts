import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IpvsRules } from '../../control-plane/kube-proxy/rules.ts';
import { Affinity } from './affinity.ts';
import { type Connection, Conntrack, ConntrackEntry, NODE_TIMEOUTS } from './conntrack.ts';
import type { Dataplane, NodeContext } from './dataplane.ts';
import {
  type Address,
  endpointKey,
  formatAddress,
  isWithin,
  type Network,
  parseAddress,
  parseCidr,
} from './ipv4.ts';
import type { Fate, Packet } from './packet.ts';
import { SourcePorts } from './source-ports.ts';

interface RealServer {
  readonly address: Address;
  readonly port: number;
  readonly weight: number;
}

interface VirtualServer {
  readonly masquerade: boolean;
  readonly servers: readonly RealServer[];
  /** loadBalancerSourceRanges; undefined lets all in. */
  readonly allowed: readonly Network[] | undefined;
  readonly stickySeconds: number | undefined;
  readonly affinity: Affinity;
  /** Where round robin goes on; kube-proxy's default scheduler. */
  turn: number;
}

/** IPVS's own idle times: 900 s established, 120 s after a FIN (FACTS B4); kube-proxy leaves them. */
const TIMEOUTS = { ...NODE_TIMEOUTS, established: 900_000, unanswered: 900_000, closing: 120_000 };

/**
 * A node whose Services are IPVS virtual servers (kernel net/netfilter/ipvs/ip_vs_core.c, ip_vs_proto_tcp.c; FACTS B4).
 * Modelled from source only: kernels without IP_VS cannot check it.
 */
export class Ipvs implements Dataplane {
  reason = '';
  private readonly table = new Conntrack({ loose: false, timeouts: TIMEOUTS });
  private servers = new Map<number, VirtualServer>();
  private readonly ports: SourcePorts;
  private readonly node: NodeContext;

  constructor(options: { node: NodeContext; random: Random }) {
    this.node = options.node;
    this.ports = new SourcePorts(options.random.fork('ports'));
  }

  program(rules: IpvsRules): void {
    const before = this.servers;
    this.servers = new Map(
      rules.virtualServers
        .filter(({ protocol }) => protocol === 'tcp')
        .map((server) => {
          const key = endpointKey(parseAddress(server.address), server.port);
          const known = before.get(key);
          const made: VirtualServer = {
            masquerade: server.masquerade,
            servers: server.realServers.map((real) => ({ ...real, address: parseAddress(real.address) })),
            allowed: server.sourceRanges?.map(parseCidr),
            stickySeconds: server.stickySeconds,
            affinity: known?.affinity ?? new Affinity(),
            turn: known?.turn ?? 0,
          };
          return [key, made];
        }),
    );
  }

  receive(packet: Packet, connection: Connection, now: Millis): Fate {
    const entry = this.table.find(packet, connection, now);
    if (entry !== undefined && this.table.isReply) {
      this.table.accept(entry, packet.kind, true, now);
      entry.translateReply(packet);
      return 'forward';
    }
    const server = this.servers.get(endpointKey(packet.destination, packet.destinationPort));
    // The node holds the addresses of its virtual servers on kube-ipvs0.
    if (server === undefined && !this.node.isLocal(packet.destination)) return 'forward';
    if (server === undefined) return this.toStack(packet, 'no IPVS virtual server');
    if (entry !== undefined) return this.along(entry, server, packet, now);
    // Only a SYN is scheduled (sysctl_sloppy_tcp is 0): the rest goes up the local stack, where nobody listens.
    if (packet.kind !== 'syn') return this.toStack(packet, 'no IPVS connection, and no SYN');
    return this.schedule(server, packet, connection, now);
  }

  get hasExpired(): boolean {
    return this.table.hasExpired;
  }

  flush(): void {
    this.table.flush();
  }

  /** A connection follows its real server as long as that is listed, at whatever weight. */
  private along(entry: ConntrackEntry, server: VirtualServer, packet: Packet, now: Millis): Fate {
    const isListed = server.servers.some(
      ({ address, port }) => address === entry.answerer && port === entry.answererPort,
    );
    if (!isListed) {
      // kube-proxy sets expire_nodest_conn=1: the packet is dropped and the connection forgotten.
      entry.generation = -1;
      this.reason = `IPVS: destination ${formatAddress(entry.answerer)}:${entry.answererPort} is not available (expire_nodest_conn)`;
      return 'drop';
    }
    this.table.accept(entry, packet.kind, false, now);
    entry.translate(packet);
    return 'forward';
  }

  private schedule(server: VirtualServer, packet: Packet, connection: Connection, now: Millis): Fate {
    if (server.allowed !== undefined && !isWithin(packet.source, server.allowed)) {
      // KUBE-LOAD-BALANCER-SOURCE-CIDR does not list it, so KUBE-LOAD-BALANCER-FW marks it for the drop.
      this.reason = `KUBE-LOAD-BALANCER-FW: ${formatAddress(packet.source)} is in no source range`;
      return 'drop';
    }
    const chosen = this.pick(server, packet.source, now);
    if (chosen === undefined) {
      // ip_vs_leave: "no destination available", answered with ICMP port unreachable.
      this.reason = `IPVS: no destination available for ${formatAddress(packet.destination)}:${packet.destinationPort}`;
      return 'reject';
    }
    const entry = new ConntrackEntry(this.table, connection, packet, now);
    entry.answerer = chosen.address;
    entry.answererPort = chosen.port;
    if (server.masquerade) {
      const port = this.ports.take(entry, true, now);
      if (port === undefined) {
        this.reason = `MASQUERADE: no source port of ${formatAddress(this.node.address)} is free`;
        return 'drop';
      }
      entry.asker = this.node.address;
      entry.askerPort = port;
    }
    this.table.confirm(entry);
    entry.translate(packet);
    return 'forward';
  }

  /** Round robin, or where a persistent client went before. */
  private pick(server: VirtualServer, client: Address, now: Millis): RealServer | undefined {
    const able = server.servers.filter(({ weight }) => weight > 0);
    const before = server.affinity.recall(client, server.stickySeconds, now);
    const chosen =
      able.find(({ address, port }) => endpointKey(address, port) === before) ??
      able[server.turn++ % Math.max(1, able.length)];
    if (chosen !== undefined && server.stickySeconds !== undefined)
      server.affinity.remember(client, endpointKey(chosen.address, chosen.port), now);
    return chosen;
  }

  private toStack({ destination, destinationPort }: Packet, why: string): Fate {
    this.reason = `${why}: nothing listens on ${formatAddress(destination)}:${destinationPort}`;
    return 'local';
  }
}
