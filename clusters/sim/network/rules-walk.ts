import { HarnessError } from '../../../harness/errors.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type {
  Chain,
  ConnectionState,
  Hook,
  IptablesRules,
  NftablesRules,
  Rule,
  Target,
} from '../../control-plane/kube-proxy/rules.ts';
import { type Address, endpointKey, isWithin, type Network, parseAddress, parseCidr } from './ipv4.ts';
import type { Packet } from './packet.ts';
import { describeRule } from './rule-text.ts';

/** What a base chain says of a packet; `none` leaves it to the chain's policy, which is to accept. */
export type WalkVerdict = 'none' | 'accept' | 'drop' | 'reject';

/** A base chain: where it hooks in, and whether only the first packet of a connection meets it. */
export interface BaseChain {
  readonly nat: boolean;
  readonly priority: number;
  readonly chain: CompiledChain;
}

/** One node's rules, ready to be met by packets: base chains by hook, in the order of their priority. */
export type CompiledRules = Readonly<Record<Hook, readonly BaseChain[]>>;

interface CompiledChain {
  readonly name: string;
  readonly rules: CompiledRule[];
}

/** A rule with its texts parsed; what a rule does not match on is set so that it always matches. */
interface CompiledRule {
  readonly source: Address;
  readonly sourceMask: number;
  readonly sourceNot: boolean;
  readonly destination: Address;
  readonly destinationMask: number;
  readonly destinationNot: boolean;
  readonly destinationPort: number;
  /** Bits of STATE_BITS; 0 does not look at the state. */
  readonly states: number;
  readonly statesNot: boolean;
  readonly markMask: number;
  readonly markValue: number;
  readonly markNot: boolean;
  readonly sourceNotIn: readonly Network[];
  readonly destinationSet: ReadonlySet<Address> | undefined;
  readonly destinationLocal: boolean;
  readonly sourceLocal: boolean;
  readonly sourceNotLocal: boolean;
  /** Of 2^32; above that always. */
  readonly probability: number;
  readonly recent: Rule['recent'] | undefined;
  readonly target: CompiledTarget;
  readonly text: string;
}

type CompiledTarget =
  | { readonly kind: 'jump' | 'goto'; readonly chain: CompiledChain }
  | { readonly kind: 'accept' | 'drop' | 'reject' | 'return' | 'none' }
  | { readonly kind: 'dnat'; readonly address: Address; readonly port: number }
  | { readonly kind: 'masquerade'; readonly fullyRandom: boolean }
  | { readonly kind: 'mark'; readonly keep: number; readonly toggle: number; readonly set: number }
  | { readonly kind: 'map'; readonly byAddress: boolean; readonly elements: Map<number, CompiledRule> }
  | { readonly kind: 'choose'; readonly chains: readonly CompiledChain[] };

const STATE_BITS: Readonly<Record<ConnectionState, number>> = {
  NEW: 1,
  ESTABLISHED: 2,
  RELATED: 4,
  INVALID: 8,
  DNAT: 16,
  SNAT: 32,
};

/** Netfilter's names for priorities (`nft` manual, table 6). */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

const HOOKS: readonly Hook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];

/** Parses a node's rules once per sync. @throws HarnessError when a rule names a chain or map that is not there. */
export function compileRules(rules: IptablesRules | NftablesRules): CompiledRules {
  const found: { hook: Hook; base: BaseChain }[] = [];
  if (rules.mode === 'nftables') {
    const compile = new Compiler('nftables', rules.chains, rules.maps, rules.sets);
    for (const { name, hook } of rules.chains)
      if (hook !== undefined)
        found.push({
          hook: hook.hook,
          base: {
            nat: hook.type === 'nat',
            priority: priorityOf(hook.priority),
            chain: compile.chain(name),
          },
        });
  } else {
    for (const [table, nat] of [
      [rules.nat, true],
      [rules.filter, false],
    ] as const) {
      const compile = new Compiler('iptables', table);
      for (const hook of HOOKS)
        if (table.some(({ name }) => name === hook.toUpperCase())) {
          const priority = nat ? (hook === 'prerouting' || hook === 'output' ? -100 : 100) : 0;
          found.push({ hook, base: { nat, priority, chain: compile.chain(hook.toUpperCase()) } });
        }
    }
  }
  const at = (hook: Hook) =>
    found
      .filter((one) => one.hook === hook)
      .map(({ base }) => base)
      .sort((left, right) => left.priority - right.priority);
  return {
    prerouting: at('prerouting'),
    input: at('input'),
    forward: at('forward'),
    output: at('output'),
    postrouting: at('postrouting'),
  };
}

function priorityOf(text: string): number {
  const match = /^([a-z]*)\s*([+-]?\s*\d+)?$/.exec(text.trim());
  const base = match?.[1] ? PRIORITIES[match[1]] : 0;
  if (match === null || base === undefined)
    throw new HarnessError(`'${text}' is no priority of a netfilter hook`);
  return base + Number((match[2] ?? '0').replace(/\s/g, ''));
}

class Compiler {
  private readonly chains: ReadonlyMap<string, Chain>;
  private readonly maps: NftablesRules['maps'];
  private readonly sets: ReadonlyMap<string, ReadonlySet<Address>>;
  private readonly compiled = new Map<string, CompiledChain>();
  private readonly style: 'iptables' | 'nftables';

  constructor(
    style: 'iptables' | 'nftables',
    chains: readonly Chain[],
    maps: NftablesRules['maps'] = [],
    sets: NftablesRules['sets'] = [],
  ) {
    this.style = style;
    this.chains = new Map(chains.map((chain) => [chain.name, chain]));
    this.maps = maps;
    this.sets = new Map(sets.map(({ name, addresses = [] }) => [name, new Set(addresses.map(parseAddress))]));
  }

  chain(name: string): CompiledChain {
    const known = this.compiled.get(name);
    if (known !== undefined) return known;
    const chain = this.chains.get(name);
    if (chain === undefined) throw new HarnessError(`a rule names the chain ${name}, which is not there`);
    const made: CompiledChain = { name, rules: [] };
    this.compiled.set(name, made);
    // All connections of this simulation are TCP.
    for (const rule of chain.rules)
      if (rule.protocol === undefined || rule.protocol === 'tcp') made.rules.push(this.rule(rule, name));
    return made;
  }

  private rule(rule: Rule, chain: string): CompiledRule {
    const source = rule.source ? parseCidr(rule.source.cidr) : ANYWHERE;
    const destination = rule.destination ? parseCidr(rule.destination.cidr) : ANYWHERE;
    return {
      source: source.network,
      sourceMask: source.mask,
      sourceNot: rule.source?.not ?? false,
      destination: destination.network,
      destinationMask: destination.mask,
      destinationNot: rule.destination?.not ?? false,
      destinationPort: rule.destinationPort ?? -1,
      states: (rule.states ?? []).reduce((bits, state) => bits | STATE_BITS[state], 0),
      statesNot: rule.statesNot ?? false,
      markMask: rule.mark?.mask ?? 0,
      markValue: rule.mark?.value ?? 0,
      markNot: rule.mark?.not ?? false,
      sourceNotIn: (rule.sourceNotIn ?? []).map(parseCidr),
      destinationSet: rule.destinationSet === undefined ? undefined : this.set(rule.destinationSet),
      destinationLocal: rule.destinationLocal ?? false,
      sourceLocal: rule.sourceLocal ?? false,
      sourceNotLocal: rule.sourceNotLocal ?? false,
      probability: rule.probability === undefined ? ALWAYS : Number(rule.probability) * 2 ** 32,
      recent: rule.recent,
      target: this.target(rule.target, chain),
      text: describeRule(this.style, chain, rule),
    };
  }

  private set(name: string): ReadonlySet<Address> {
    const set = this.sets.get(name);
    if (set === undefined) throw new HarnessError(`a rule names the set ${name}, which is not there`);
    return set;
  }

  private target(target: Target, chain: string): CompiledTarget {
    switch (target.kind) {
      case 'jump':
      case 'goto':
        return { kind: target.kind, chain: this.chain(target.chain) };
      case 'dnat':
        return { kind: 'dnat', address: parseAddress(target.address), port: target.port };
      case 'mark':
        return target.operation === 'or'
          ? { kind: 'mark', keep: -1, toggle: 0, set: target.value }
          : { kind: 'mark', keep: ~target.mask, toggle: target.value, set: 0 };
      case 'choose':
        return { kind: 'choose', chains: target.chains.map((name) => this.chain(name)) };
      case 'map':
        return this.map(target, chain);
      default:
        return target;
    }
  }

  private map(target: Target & { kind: 'map' }, chain: string): CompiledTarget {
    const map = this.maps.find(({ name }) => name === target.map);
    if (map === undefined) throw new HarnessError(`a rule names the map ${target.map}, which is not there`);
    const elements = new Map<number, CompiledRule>();
    for (const { address, protocol, port, target: verdict, comment } of map.elements)
      if (protocol === 'tcp') {
        const rule = this.rule(
          comment === undefined ? { target: verdict } : { comment, target: verdict },
          chain,
        );
        const key = `${address === undefined ? '' : `${address} . `}${protocol} . ${port}`;
        elements.set(endpointKey(parseAddress(address ?? '0.0.0.0'), port), {
          ...rule,
          text: `chain ${chain}: vmap @${map.name} { ${key}${comment === undefined ? '' : ` comment ${JSON.stringify(comment)}`} }`,
        });
      }
    return { kind: 'map', byAddress: target.key === 'service', elements };
  }
}

const ANYWHERE = { network: 0, mask: 0 };
const ALWAYS = 2 ** 33;

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
