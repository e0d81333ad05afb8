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
}

/** Cilium's CT map keeps a SYN for 60 s and a closing connection for 10 s (its option defaults). */
const TIMEOUTS = { ...NODE_TIMEOUTS, opening: 60_000, closing: 10_000 };

interface Service {
  readonly backends: readonly Backend[];
  /** loadBalancerSourceRanges; undefined lets all in. */
  readonly allowed: readonly Network[] | undefined;
  readonly stickySeconds: number | undefined;
  readonly affinity: Affinity;
}

/** A node whose Services are Cilium's BPF maps: bpf/lib/lb.h lb4_local, FACTS C. Modelled from source only. */
export class Cilium implements Dataplane {
  reason = '';
  private readonly table: Conntrack;
  private refusal: CiliumRules['refusal'] = 'none';
  private establishedNeedActive = false;
  private services = new Map<number, Service>();
  private backends = new Set<number>();
  private readonly random: Random;
  private readonly ports: SourcePorts;
  private readonly node: NodeContext;

  /** `idle`: an established connection that is silent for longer is forgotten. */
  constructor({ idle, ...options }: { node: NodeContext; random: Random; idle: Millis }) {
    this.node = options.node;
    this.table = new Conntrack({
      loose: true,
      timeouts: { ...TIMEOUTS, established: idle, unanswered: idle },
    });
    this.random = options.random.fork('backends');
    this.ports = new SourcePorts(options.random.fork('ports'));
  }

  program(rules: CiliumRules): void {
    this.refusal = rules.refusal;
    this.establishedNeedActive = rules.establishedNeedActive;
    const before = this.services;
    this.services = new Map(
      rules.services.map(({ address, port, backends, sourceRanges, stickySeconds }) => {
        const key = endpointKey(parseAddress(address), port);
        const service: Service = {
          backends: backends.map((backend) => ({
            address: parseAddress(backend.address),
            port: backend.port,
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
    if (service === undefined) return this.toStack(packet);
    if (service.allowed !== undefined && !isWithin(packet.source, service.allowed)) {
      this.reason = `bpf lb4_src_range_ok: ${formatAddress(packet.source)} is in no source range`;
      return 'drop';
    }
    if (this.establishedNeedActive && service.backends.length === 0) return this.refuse(packet);
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

  /** Whether a tracked connection stays with its backend; a SYN leaves one that has no slot. */
  private keeps(entry: ConntrackEntry, backends: readonly Backend[], packet: Packet): boolean {
    if (!this.backends.has(endpointKey(entry.answerer, entry.answererPort))) return false;
    if (packet.kind !== 'syn') return true;
    return backends.some(({ address, port }) => address === entry.answerer && port === entry.answererPort);
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
    if (chosen === undefined) return this.refuse(packet);
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

  /** A random backend, or the one that a sticky client had before. */
  private pick({ backends, ...service }: Service, client: Address, now: Millis): Backend | undefined {
    if (backends.length === 0) return undefined;
    const before = service.affinity.recall(client, service.stickySeconds, now);
    const chosen =
      backends.find(({ address, port }) => endpointKey(address, port) === before) ??
      this.random.pick(backends);
    if (service.stickySeconds !== undefined)
      service.affinity.remember(client, endpointKey(chosen.address, chosen.port), now);
    return chosen;
  }

  private refuse(packet: Packet): Fate {
    if (this.refusal === 'none') return this.toStack(packet);
    this.reason = `bpf lb4_local: no backend for ${formatAddress(packet.destination)}:${packet.destinationPort} (--service-no-backend-response=${this.refusal})`;
    return this.refusal;
  }

  private toStack(packet: Packet): Fate {
    const { destination, destinationPort } = packet;
    if (!this.node.isLocal(destination)) return 'forward';
    this.reason = `bpf lb4_lookup_service: no service with a backend at ${formatAddress(destination)}:${destinationPort}; nothing listens there`;
    return 'local';
  }
}
