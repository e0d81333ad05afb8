import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IptablesRules, NftablesRules } from '../../control-plane/kube-proxy/rules.ts';
import { type BaseChain, type CompiledRules, compileRules } from './compiled-rules.ts';
import { type Connection, Conntrack, ConntrackEntry } from './conntrack.ts';
import type { Dataplane, NodeContext } from './dataplane.ts';
import { formatAddress } from './ipv4.ts';
import type { Fate, Packet } from './packet.ts';
import { RulesWalk } from './rules-walk.ts';
import { SourcePorts } from './source-ports.ts';

const NO_RULES: CompiledRules = { prerouting: [], input: [], forward: [], output: [], postrouting: [] };

/** Netfilter translates destinations at this priority of prerouting. */
const DSTNAT = -100;

/**
 * A node whose Services are netfilter rules, iptables' or nftables': conntrack, prerouting (nat for NEW packets only),
 * routing, input or forward, postrouting, confirmation, in the kernel's order.
 */
export class Netfilter implements Dataplane {
  readonly conntrack: Conntrack;
  reason = '';
  private rules: CompiledRules = NO_RULES;
  private readonly walk: RulesWalk;
  private readonly ports: SourcePorts;
  private readonly node: NodeContext;

  constructor(options: { node: NodeContext; random: Random; loose: boolean }) {
    this.node = options.node;
    this.conntrack = new Conntrack({ loose: options.loose });
    this.walk = new RulesWalk({
      random: options.random.fork('rules'),
      isLocal: (address) => options.node.isLocal(address),
    });
    this.ports = new SourcePorts(options.random.fork('ports'));
  }

  /** Replaces all rules; conntrack stays as it is, which is what keeps established connections alive. */
  program(rules: IptablesRules | NftablesRules): void {
    this.rules = compileRules(rules);
  }

  receive(packet: Packet, connection: Connection, now: Millis): Fate {
    const { conntrack, walk } = this;
    packet.mark = 0;
    walk.now = now;
    walk.masquerade = 'no';
    const known = conntrack.find(packet, connection, now);
    const isReply = conntrack.isReply;
    const fresh =
      known === undefined && conntrack.startsEntry(packet.kind)
        ? new ConntrackEntry(conntrack, connection, packet, now)
        : undefined;
    const entry = known ?? fresh;
    this.setStates(entry, isReply);

    const prerouting = this.prerouting(packet, known, fresh, isReply);
    if (prerouting !== 'forward') return prerouting;

    if (this.node.isLocal(packet.destination)) {
      const input = this.filter(this.rules.input, packet);
      if (input !== 'forward') return input;
      const { destination, destinationPort } = packet;
      this.reason =
        entry === undefined
          ? `INPUT: conntrack says INVALID, nothing listens on ${formatAddress(destination)}:${destinationPort}`
          : `INPUT: nothing listens on ${formatAddress(destination)}:${destinationPort}`;
      return 'local';
    }

    const forward = this.filter(this.rules.forward, packet);
    if (forward !== 'forward') return forward;
    if (fresh !== undefined && !this.postrouting(packet, fresh, now)) return 'drop';
    // Only what was let through becomes an entry (or keeps one alive).
    if (fresh !== undefined) conntrack.confirm(fresh);
    if (entry !== undefined) conntrack.accept(entry, packet.kind, isReply, now);
    return 'forward';
  }

  get hasExpired(): boolean {
    return this.conntrack.hasExpired;
  }

  flush(): void {
    this.conntrack.flush();
  }

  private setStates(entry: ConntrackEntry | undefined, isReply: boolean): void {
    const state =
      entry === undefined ? 'INVALID' : isReply || entry.seenReply ? 'ESTABLISHED' : ('NEW' as const);
    this.walk.states = RulesWalk.bits(state, entry?.dnat ?? false, entry?.snat ?? false);
  }

  private prerouting(
    packet: Packet,
    known: ConntrackEntry | undefined,
    fresh: ConntrackEntry | undefined,
    isReply: boolean,
  ): Fate {
    let translated = known === undefined;
    for (const base of this.rules.prerouting) {
      if (!translated && base.priority >= DSTNAT) {
        translate(packet, known as ConntrackEntry, isReply);
        translated = true;
      }
      if (base.nat && fresh === undefined) continue;
      const verdict = this.walk.run(base, packet);
      if (verdict === 'drop' || verdict === 'reject') return this.refused(verdict);
      if (fresh !== undefined && base.nat) {
        fresh.answerer = packet.destination;
        fresh.answererPort = packet.destinationPort;
        this.setStates(fresh, false);
      }
    }
    if (!translated) translate(packet, known as ConntrackEntry, isReply);
    return 'forward';
  }

  private filter(bases: readonly BaseChain[], packet: Packet): Fate {
    for (const base of bases) {
      if (base.nat) continue;
      const verdict = this.walk.run(base, packet);
      if (verdict === 'drop' || verdict === 'reject') return this.refused(verdict);
    }
    return 'forward';
  }

  private postrouting(packet: Packet, fresh: ConntrackEntry, now: Millis): boolean {
    for (const base of this.rules.postrouting) this.walk.run(base, packet);
    if (this.walk.masquerade === 'no') return true;
    const port = this.ports.take(fresh, this.walk.masquerade === 'random', now);
    if (port === undefined) {
      this.reason = `MASQUERADE: no source port of ${formatAddress(this.node.address)} is free for ${formatAddress(fresh.answerer)}:${fresh.answererPort}`;
      return false;
    }
    fresh.asker = this.node.address;
    fresh.askerPort = port;
    packet.source = fresh.asker;
    packet.sourcePort = port;
    return true;
  }

  private refused(verdict: 'drop' | 'reject'): Fate {
    this.reason = this.walk.decided;
    return verdict;
  }
}

function translate(packet: Packet, entry: ConntrackEntry, isReply: boolean): void {
  if (isReply) entry.translateReply(packet);
  else entry.translate(packet);
}
