import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { Rule } from '../../control-plane/kube-proxy/rules.ts';
import {
  ALWAYS,
  type BaseChain,
  type CompiledChain,
  type CompiledRule,
  flowKey,
  STATE_BITS,
} from './compiled-rules.ts';
import { type Address, endpointKey, isWithin } from './ipv4.ts';
import type { Packet } from './packet.ts';

/** What a base chain says of a packet; `none` leaves it to the chain's policy, which is to accept. */
export type WalkVerdict = 'none' | 'accept' | 'drop' | 'reject';

/**
 * Walks packets through one node's base chains as netfilter does. The caller sets what the packet's connection
 * looks like, then runs chains; DNAT rewrites the packet, masquerading is only asked for (the caller has the ports).
 */
export class RulesWalk {
  /** What conntrack says of the packet: one of NEW, ESTABLISHED, INVALID, with DNAT and SNAT beside it. */
  states = 0;
  now: Millis = 0;
  /** Set by a MASQUERADE target. */
  masquerade: 'no' | 'random' | 'same-port' = 'no';
  /** The rule that dropped or rejected, in the dataplane's own words. */
  decided = '';
  private readonly random: Random;
  private readonly isLocal: (address: Address) => boolean;
  /** `-m recent`: list name -> source address -> last seen. Lists outlive rule changes, as in the kernel. */
  private readonly recent = new Map<string, Map<Address, Millis>>();

  constructor(options: { random: Random; isLocal: (address: Address) => boolean }) {
    this.random = options.random;
    this.isLocal = options.isLocal;
  }

  /** The state bits for `states`. */
  static bits(state: 'NEW' | 'ESTABLISHED' | 'INVALID', dnat: boolean, snat: boolean): number {
    return STATE_BITS[state] | (dnat ? STATE_BITS.DNAT : 0) | (snat ? STATE_BITS.SNAT : 0);
  }

  run(base: BaseChain, packet: Packet): WalkVerdict {
    return this.walk(base.chain, packet);
  }

  private walk(chain: CompiledChain, packet: Packet): WalkVerdict {
    for (const rule of chain.rules) {
      if (!this.matches(rule, packet)) continue;
      const verdict = this.apply(rule, packet);
      if (verdict === 'leave') return 'none';
      if (verdict !== 'none') return verdict;
    }
    return 'none';
  }

  private apply(rule: CompiledRule, packet: Packet): WalkVerdict | 'leave' {
    const { target } = rule;
    packet.mark ^= rule.flipMark;
    switch (target.kind) {
      case 'jump':
        return this.walk(target.chain, packet);
      case 'goto':
        return this.goto(target.chain, packet);
      case 'return':
        return 'leave';
      case 'accept':
        return 'accept';
      case 'drop':
      case 'reject':
        this.decided = rule.text;
        return target.kind;
      case 'dnat':
        packet.destination = target.address;
        packet.destinationPort = target.port;
        return 'accept';
      case 'dnat-one-of': {
        const endpoint = target.endpoints[this.random.integer(0, target.endpoints.length)];
        if (endpoint === undefined) return 'none';
        packet.destination = endpoint.address;
        packet.destinationPort = endpoint.port;
        return 'accept';
      }
      case 'masquerade':
        this.masquerade = target.fullyRandom ? 'random' : 'same-port';
        return 'accept';
      case 'mark':
        packet.mark = ((packet.mark & target.keep) ^ target.toggle) | target.set;
        return 'none';
      case 'map': {
        const address = target.byAddress ? packet.destination : 0;
        const element = target.elements.get(endpointKey(address, packet.destinationPort));
        if (element === undefined) return 'none';
        const verdict = this.apply(element, packet);
        // What is rejected by a chain that a map led to is explained by the map's element.
        if (verdict === 'drop' || verdict === 'reject') this.decided = `${element.text} -> ${this.decided}`;
        return verdict;
      }
      case 'choose': {
        const chain = target.chains[this.random.integer(0, target.chains.length)];
        return chain === undefined ? 'none' : this.goto(chain, packet);
      }
      default:
        return 'none';
    }
  }

  /** A goto never comes back to the chain it stood in, whatever it led to. */
  private goto(chain: CompiledChain, packet: Packet): WalkVerdict | 'leave' {
    const verdict = this.walk(chain, packet);
    return verdict === 'none' ? 'leave' : verdict;
  }

  private matches(rule: CompiledRule, packet: Packet): boolean {
    if (((packet.source & rule.sourceMask) === rule.source) === rule.sourceNot) return false;
    if (((packet.destination & rule.destinationMask) === rule.destination) === rule.destinationNot)
      return false;
    if (rule.destinationPort !== -1 && rule.destinationPort !== packet.destinationPort) return false;
    if (rule.states !== 0 && ((rule.states & this.states) !== 0) === rule.statesNot) return false;
    if (((packet.mark & rule.markMask) === rule.markValue) === rule.markNot) return false;
    if (rule.destinationLocal && !this.isLocal(packet.destination)) return false;
    if (rule.sourceLocal && !this.isLocal(packet.source)) return false;
    if (rule.sourceNotLocal && this.isLocal(packet.source)) return false;
    if (rule.destinationSet !== undefined && !rule.destinationSet.has(packet.destination)) return false;
    if (
      rule.flowSet !== undefined &&
      !rule.flowSet.has(flowKey(packet.source, packet.destination, packet.destinationPort))
    )
      return false;
    if (rule.sourceNotIn.length > 0 && isWithin(packet.source, rule.sourceNotIn)) return false;
    if (rule.probability < ALWAYS && this.random.uint32() >= rule.probability) return false;
    return rule.recent === undefined || this.remembers(rule.recent, packet.source);
  }

  /** `-m recent --rcheck` and `--set` (kernel xt_recent.c). */
  private remembers(recent: NonNullable<Rule['recent']>, source: Address): boolean {
    const list = this.recent.get(recent.name) ?? new Map<Address, Millis>();
    this.recent.set(recent.name, list);
    if (recent.check === 'set') {
      list.set(source, this.now);
      return true;
    }
    const seen = list.get(source);
    if (seen === undefined) return false;
    if (recent.seconds === undefined || this.now - seen <= recent.seconds * 1000) return true;
    if (recent.reap) list.delete(source);
    return false;
  }
}
