import { HarnessError } from '../../../harness/errors.ts';
import type {
  Chain,
  ConnectionState,
  Hook,
  IptablesRules,
  NftablesRules,
  Rule,
  Target,
} from '../../control-plane/kube-proxy/rules.ts';
import { type Address, endpointKey, type Network, parseAddress, parseCidr } from './ipv4.ts';
import { describeRule } from './rule-text.ts';

/** A base chain: where it hooks in, and whether only the first packet of a connection meets it. */
export interface BaseChain {
  readonly nat: boolean;
  readonly priority: number;
  readonly chain: CompiledChain;
}

/** One node's rules, ready to be met by packets: base chains by hook, in the order of their priority. */
export type CompiledRules = Readonly<Record<Hook, readonly BaseChain[]>>;

export interface CompiledChain {
  readonly name: string;
  readonly rules: CompiledRule[];
}

/** A rule with its texts parsed; what a rule does not match on is set so that it always matches. */
export interface CompiledRule {
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
  readonly flowSet: ReadonlySet<string> | undefined;
  readonly flipMark: number;
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
  | {
      readonly kind: 'dnat-one-of';
      readonly endpoints: readonly { readonly address: Address; readonly port: number }[];
    }
  | { readonly kind: 'masquerade'; readonly fullyRandom: boolean }
  | { readonly kind: 'mark'; readonly keep: number; readonly toggle: number; readonly set: number }
  | { readonly kind: 'map'; readonly byAddress: boolean; readonly elements: Map<number, CompiledRule> }
  | { readonly kind: 'choose'; readonly chains: readonly CompiledChain[] };

export const STATE_BITS: Readonly<Record<ConnectionState, number>> = {
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
  private readonly flowSets: ReadonlyMap<string, ReadonlySet<string>>;
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
    this.flowSets = new Map(
      sets.map(({ name, flows = [] }) => [
        name,
        new Set(
          flows
            .filter(({ protocol }) => protocol === 'tcp')
            .map(({ source, destination, port }) =>
              flowKey(parseAddress(source), parseAddress(destination), port),
            ),
        ),
      ]),
    );
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
      destinationSet: rule.destinationSet === undefined ? undefined : named(this.sets, rule.destinationSet),
      flowSet: rule.flowSet === undefined ? undefined : named(this.flowSets, rule.flowSet),
      flipMark: rule.flipMark ?? 0,
      destinationLocal: rule.destinationLocal ?? false,
      sourceLocal: rule.sourceLocal ?? false,
      sourceNotLocal: rule.sourceNotLocal ?? false,
      probability: rule.probability === undefined ? ALWAYS : Number(rule.probability) * 2 ** 32,
      recent: rule.recent,
      target: this.target(rule.target, chain),
      text: describeRule(this.style, chain, rule),
    };
  }

  private target(target: Target, chain: string): CompiledTarget {
    switch (target.kind) {
      case 'jump':
      case 'goto':
        return { kind: target.kind, chain: this.chain(target.chain) };
      case 'dnat':
        return { kind: 'dnat', address: parseAddress(target.address), port: target.port };
      case 'dnat-one-of':
        return {
          kind: 'dnat-one-of',
          endpoints: target.endpoints.map(({ address, port }) => ({ address: parseAddress(address), port })),
        };
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

/** @throws HarnessError when there is no set of that name. */
function named<Of>(sets: ReadonlyMap<string, Of>, name: string): Of {
  const set = sets.get(name);
  if (set === undefined) throw new HarnessError(`a rule names the set ${name}, which is not there`);
  return set;
}

export const flowKey = (source: Address, destination: Address, port: number) =>
  `${source} ${destination} ${port}`;

const ANYWHERE = { network: 0, mask: 0 };
/** A probability that no draw reaches. */
export const ALWAYS = 2 ** 33;
