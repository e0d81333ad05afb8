import { HarnessError } from '../../../harness/errors.ts';
import type { NftablesRules, Rule, Target } from '../../control-plane/kube-proxy/rules.ts';

const TABLE = 'ip kube-proxy';
const KEYS = { service: 'ip daddr . meta l4proto . th dport', port: 'meta l4proto . th dport' } as const;
const TYPES = {
  service: 'ipv4_addr . inet_proto . inet_service',
  port: 'inet_proto . inet_service',
} as const;
const FLOW_TYPE = 'ipv4_addr . ipv4_addr . inet_proto . inet_service';
/** nft knows the names only in some hooks, the numbers in all. */
const PRIORITIES: Readonly<Record<string, number>> = { dstnat: -100, filter: 0, srcnat: 100 };

/**
 * One sync as text for `nft -f`: one transaction that fills all chains, sets and maps anew. Sets with a timeout
 * keep what they remember (session affinity). Chains that only `previous` had are emptied and stay: before
 * Linux 6.2 a chain cannot be deleted in the transaction that takes the last map element to it away.
 * @throws HarnessError when something in the rules could end a statement or a quotation.
 */
export function nftablesTransaction(rules: NftablesRules, previous?: NftablesRules): string {
  const chains = new Set(rules.chains.map(({ name }) => name));
  const sets = new Set((rules.sets ?? []).map(({ name }) => name));
  const staleChains = (previous?.chains ?? []).filter(({ name }) => !chains.has(name));
  const staleSets = (previous?.sets ?? []).filter(({ name }) => !sets.has(name));
  return [
    `add table ${TABLE} { comment "rules for kube-proxy" ; }`,
    ...rules.chains.flatMap((chain) => [
      `add chain ${TABLE} ${word(chain.name)}${hookText(chain)}`,
      `flush chain ${TABLE} ${word(chain.name)}`,
    ]),
    ...staleChains.map(({ name }) => `flush chain ${TABLE} ${word(name)}`),
    ...(rules.sets ?? []).flatMap(setStatements),
    ...rules.maps.flatMap(mapStatements),
    ...rules.chains.flatMap((chain) =>
      chain.rules.map((rule) => `add rule ${TABLE} ${word(chain.name)} ${nftablesRule(rule)}`),
    ),
    ...staleSets.map(({ name }) => `delete set ${TABLE} ${word(name)}`),
    '',
  ].join('\n');
}

function hookText({ hook, comment }: NftablesRules['chains'][number]): string {
  if (!hook) return comment === undefined ? '' : ` { comment ${quoted(comment)} ; }`;
  const [, name = '', offset = '0'] = /^([a-z]+)([+-]\d+)?$/.exec(hook.priority) ?? [];
  const base = PRIORITIES[name];
  if (base === undefined) throw new HarnessError(`'${hook.priority}' is no priority that nftables knows`);
  return ` { type ${hook.type} hook ${hook.hook} priority ${base + Number(offset)} ; }`;
}

function setStatements(set: NonNullable<NftablesRules['sets']>[number]): string[] {
  const name = `${TABLE} ${word(set.name)}`;
  const forgetful =
    set.timeoutSeconds === undefined
      ? ''
      : `flags dynamic,timeout ; timeout ${integer(set.timeoutSeconds)}s ; `;
  const comment = set.comment === undefined ? '' : `comment ${quoted(set.comment)} ; `;
  return [
    `add set ${name} { type ${set.flows ? FLOW_TYPE : 'ipv4_addr'} ; ${forgetful}${comment}}`,
    ...(set.timeoutSeconds === undefined ? [`flush set ${name}`] : []),
    ...(set.addresses ?? []).map((address) => `add element ${name} { ${word(address)} }`),
    ...(set.flows ?? []).map(
      ({ source, destination, protocol, port }) =>
        `add element ${name} { ${word(source)} . ${word(destination)} . ${word(protocol)} . ${integer(port)} }`,
    ),
  ];
}

function mapStatements(map: NftablesRules['maps'][number]): string[] {
  const name = `${TABLE} ${word(map.name)}`;
  const comment = map.comment === undefined ? '' : `comment ${quoted(map.comment)} ; `;
  return [
    `add map ${name} { type ${TYPES[map.key]} : verdict ; ${comment}}`,
    `flush map ${name}`,
    ...map.elements.map((element) => {
      const key = [
        ...(map.key === 'service' ? [word(element.address ?? '')] : []),
        word(element.protocol),
        integer(element.port),
      ].join(' . ');
      const note = element.comment === undefined ? '' : ` comment ${quoted(element.comment)}`;
      return `add element ${name} { ${key}${note} : ${targetText(element.target)} }`;
    }),
  ];
}

/** One rule's statement, in kube-proxy's order of matches. */
export function nftablesRule(rule: Rule): string {
  return [
    ...(rule.states ? [stateText(rule.states, rule.statesNot ?? false)] : []),
    ...(rule.destinationLocal ? ['fib daddr type local'] : []),
    ...(rule.destination
      ? [`ip daddr ${rule.destination.not ? '!= ' : ''}${word(rule.destination.cidr)}`]
      : []),
    ...(rule.destinationSet ? [`ip daddr @${word(rule.destinationSet)}`] : []),
    ...(rule.protocol
      ? [
          rule.destinationPort
            ? `${word(rule.protocol)} dport ${integer(rule.destinationPort)}`
            : `meta l4proto ${word(rule.protocol)}`,
        ]
      : []),
    ...(rule.source ? [`ip saddr ${rule.source.not ? '!= ' : ''}${word(rule.source.cidr)}`] : []),
    ...(rule.sourceNotIn ? [`ip saddr != { ${rule.sourceNotIn.map(word).join(', ')} }`] : []),
    ...(rule.sourceLocal ? ['fib saddr type local'] : []),
    ...(rule.sourceNotLocal ? ['fib saddr type != local'] : []),
    ...(rule.flowSet ? [`ip saddr . ip daddr . meta l4proto . th dport @${word(rule.flowSet)}`] : []),
    ...(rule.mark
      ? [`meta mark & ${hex(rule.mark.mask)} ${rule.mark.not ? '!=' : '=='} ${hex(rule.mark.value)}`]
      : []),
    ...(rule.flipMark === undefined ? [] : [`meta mark set mark xor ${hex(rule.flipMark)}`]),
    ...(rule.recent?.check === 'rcheck' ? [`ip saddr @${word(rule.recent.name)}`] : []),
    ...(rule.recent?.check === 'set' ? [`update @${word(rule.recent.name)} { ip saddr }`] : []),
    ...(rule.target.kind === 'none' ? [] : [targetText(rule.target)]),
    ...(rule.comment === undefined ? [] : [`comment ${quoted(rule.comment)}`]),
  ].join(' ');
}

/** What iptables calls the states DNAT and SNAT is a connection's status here. */
function stateText(states: NonNullable<Rule['states']>, not: boolean): string {
  const words = states.map((each) => word(each).toLowerCase());
  const what = states.every((each) => each === 'DNAT' || each === 'SNAT') ? 'ct status' : 'ct state';
  return `${what} ${not ? '!= ' : ''}${words.length === 1 ? words[0] : `{ ${words.join(', ')} }`}`;
}

function targetText(target: Target): string {
  switch (target.kind) {
    case 'jump':
    case 'goto':
      return `${target.kind} ${word(target.chain)}`;
    case 'accept':
    case 'drop':
    case 'return':
    case 'reject':
      return target.kind;
    case 'dnat':
      return `dnat to ${word(target.address)}:${integer(target.port)}`;
    case 'dnat-one-of':
      return `dnat ip to numgen random mod ${integer(target.endpoints.length)} map { ${target.endpoints
        .map(({ address, port }, index) => `${index} : ${word(address)} . ${integer(port)}`)
        .join(', ')} }`;
    case 'masquerade':
      return `masquerade${target.fullyRandom ? ' fully-random' : ''}`;
    case 'mark':
      return target.operation === 'or'
        ? `meta mark set mark or ${hex(target.value)}`
        : `meta mark set mark and ${hex(~target.mask >>> 0)} xor ${hex(target.value)}`;
    case 'map':
      return `${KEYS[target.key]} vmap @${word(target.map)}`;
    case 'choose':
      return `numgen random mod ${integer(target.chains.length)} vmap { ${target.chains
        .map((chain, index) => `${index} : goto ${word(chain)}`)
        .join(', ')} }`;
    case 'none':
      throw new HarnessError('A map element needs a verdict');
  }
}

/** Anything that is one word for nft: names, addresses, ranges. */
function word(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(text))
    throw new HarnessError(
      `'${text}' cannot stand in an nftables rule; only letters, digits and . _ / - can`,
    );
  return text;
}

/** A comment between quotation marks; nft keeps 128 bytes at most. */
function quoted(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text) || /["\\]/.test(text))
    throw new HarnessError(`'${text}' cannot be the comment of an nftables rule`);
  return `"${text.slice(0, 128)}"`;
}

const integer = (value: number) => {
  if (!Number.isSafeInteger(value) || value < 0) throw new HarnessError(`${value} is no number for a rule`);
  return String(value);
};
const hex = (value: number) => `0x${value.toString(16)}`;
