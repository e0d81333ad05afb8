import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { CiliumRules } from '../../control-plane/kube-proxy/rules.ts';
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

interface Backend {
  readonly address: Address;
  readonly port: number;
  readonly active: boolean;
}

/** Cilium's CT map keeps TCP for 6 h, a SYN for 60 s and a closing connection for 10 s (its option defaults). */
const TIMEOUTS = {
  ...NODE_TIMEOUTS,
  opening: 60_000,
  established: 21_600_000,
  unanswered: 21_600_000,
  closing: 10_000,
};

interface Service {
  readonly backends: readonly Backend[];
  /** loadBalancerSourceRanges; undefined lets all in. */
  readonly allowed: readonly Network[] | undefined;
  readonly stickySeconds: number | undefined;
  readonly affinity: Affinity;
}

/**
 * A node whose Services are Cilium's BPF maps, as of up to 1.12 (`cilium`, what GKE's Dataplane V2 was at 1.22) or
 * from 1.16 on (`cilium-1.16`): bpf/lib/lb.h lb4_local, FACTS C. Modelled from source only.
 */
export class Cilium implements Dataplane {
  reason = '';
  private readonly table = new Conntrack({ loose: true, timeouts: TIMEOUTS });
  private mode: CiliumRules['mode'] = 'cilium';
  private services = new Map<number, Service>();
  /** Every backend that any service refers to; an established connection needs no more than that. */
  private backends = new Set<number>();
  private readonly random: Random;
  private readonly ports: SourcePorts;
  private readonly node: NodeContext;

  constructor(options: { node: NodeContext; random: Random }) {
    this.node = options.node;
    this.random = options.random.fork('backends');
    this.ports = new SourcePorts(options.random.fork('ports'));
  }

  program(rules: CiliumRules): void {
    this.mode = rules.mode;
    const before = this.services;
    this.services = new Map(
      rules.services.map(({ address, port, backends, sourceRanges, stickySeconds }) => {
        const key = endpointKey(parseAddress(address), port);
        const service: Service = {
          backends: backends.map((backend) => ({
            address: parseAddress(backend.address),
            port: backend.port,
            active: backend.state === 'active',
          })),
          allowed: sourceRanges?.map(parseCidr),
          stickySeconds,
          affinity: before.get(key)?.affinity ?? new Affinity(),
        };
        return [key, service];
      }),
    );
    this.backends = new Set(
      rules.backends.map((text) => {
        const [address = '', port = ''] = text.split(':');
        return endpointKey(parseAddress(address), Number(port));
      }),
    );
  }

  receive(packet: Packet, connection: Connection, now: Millis): Fate {
    const known = this.table.find(packet, connection, now);
    if (known !== undefined && this.table.isReply) {
      this.table.accept(known, packet.kind, true, now);
      known.translateReply(packet);
      return 'forward';
    }
    const service = this.services.get(endpointKey(packet.destination, packet.destinationPort));
    // Up to 1.12 lb4_lookup_service gives no service when that has no backend; the packet goes up the local stack.
    if (service === undefined || (service.backends.length === 0 && this.mode === 'cilium'))
      return this.toStack(packet);
    if (service.allowed !== undefined && !isWithin(packet.source, service.allowed)) {
      this.reason = `bpf lb4_src_range_ok: ${formatAddress(packet.source)} is in no source range`;
      return 'drop';
    }
    if (known !== undefined && this.keeps(known, service.backends, packet)) {
      this.table.accept(known, packet.kind, false, now);
      known.translate(packet);
      return 'forward';
    }
    return this.select(service, known, packet, connection, now);
  }

  get hasExpired(): boolean {
    return this.table.hasExpired;
  }

  flush(): void {
    this.table.flush();
  }

  /** Whether a tracked connection stays with its backend; a SYN leaves one that is terminating. */
  private keeps(entry: ConntrackEntry, backends: readonly Backend[], packet: Packet): boolean {
    if (!this.backends.has(endpointKey(entry.answerer, entry.answererPort))) return false;
    if (packet.kind !== 'syn') return true;
    return backends.some(
      ({ address, port, active }) => active && address === entry.answerer && port === entry.answererPort,
    );
  }

  /** A new connection, or one whose backend was deleted "out from underneath us" (lb.h), which the new one will reset. */
  private select(
    service: Service,
    known: ConntrackEntry | undefined,
    packet: Packet,
    connection: Connection,
    now: Millis,
  ): Fate {
    const chosen = this.pick(service, packet.source, now);
    if (chosen === undefined) {
      this.reason = `bpf lb4_local: no backend for ${formatAddress(packet.destination)}:${packet.destinationPort} (--service-no-backend-response=reject)`;
      return 'reject';
    }
    const entry = new ConntrackEntry(this.table, connection, packet, now);
    entry.answerer = chosen.address;
    entry.answererPort = chosen.port;
    if (!this.node.isOwnPod(chosen.address)) {
      const port = this.ports.take(entry, true, now);
      if (port === undefined) {
        this.reason = `bpf snat: no source port of ${formatAddress(this.node.address)} is free`;
        return 'drop';
      }
      entry.asker = this.node.address;
      entry.askerPort = port;
    }
    if (known !== undefined) known.superseded = true;
    this.table.confirm(entry);
    entry.translate(packet);
    return 'forward';
  }

  /** A random backend, terminating ones only where there is no other, or the one that a sticky client had before. */
  private pick(service: Service, client: Address, now: Millis): Backend | undefined {
    const active = service.backends.filter((backend) => backend.active);
    const eligible = active.length > 0 ? active : service.backends;
    if (eligible.length === 0) return undefined;
    const before = service.affinity.recall(client, service.stickySeconds, now);
    const chosen =
      eligible.find(({ address, port }) => endpointKey(address, port) === before) ??
      this.random.pick(eligible);
    if (service.stickySeconds !== undefined)
      service.affinity.remember(client, endpointKey(chosen.address, chosen.port), now);
    return chosen;
  }

  private toStack(packet: Packet): Fate {
    const { destination, destinationPort } = packet;
    if (!this.node.isLocal(destination)) return 'forward';
    this.reason = `bpf lb4_lookup_service: no service with a backend at ${formatAddress(destination)}:${destinationPort}; nothing listens there`;
    return 'local';
  }
}
