import { HarnessError } from '../../../harness/errors.ts';
import type { Chain, IptablesRules, Rule, Target } from '../../control-plane/kube-proxy/rules.ts';

const BUILT_IN = new Set(['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING']);
const TABLES = ['mangle', 'filter', 'nat'] as const;

/**
 * What a fresh network namespace needs once, before the first `iptablesRestore`: kube-proxy's and kubelet's
 * top-level chains and the jumps to them, as text for `iptables-restore --noflush`. A second time would
 * double the jumps.
 */
export function iptablesSetup(rules: IptablesRules): string {
  return tables(rules, (chains) => {
    const jumps = chains.filter((chain) => BUILT_IN.has(chain.name));
    const targets = new Set(jumps.flatMap(({ rules }) => rules.map(({ target }) => chainOf(target))));
    return [...[...targets].map(declare), ...jumps.flatMap(appends)];
  });
}

/**
 * One sync as text for `iptables-restore --noflush`, as kube-proxy writes it: naming a chain empties it, rules
 * follow, chains that only `previous` had are deleted. Each table changes in one step.
 * @throws HarnessError when something in the rules could end a line or a quotation.
 */
export function iptablesRestore(rules: IptablesRules, previous?: IptablesRules): string {
  return tables(rules, (chains, table) => {
    const own = chains.filter((chain) => !BUILT_IN.has(chain.name));
    const kept = new Set(own.map((chain) => chain.name));
    const stale = (previous?.[table] ?? [])
      .map((chain) => chain.name)
      .filter((name) => !BUILT_IN.has(name) && !kept.has(name));
    return [
      ...own.map(({ name }) => declare(name)),
      ...stale.map(declare),
      ...own.flatMap(appends),
      ...stale.map((name) => `-X ${word(name)}`),
    ];
  });
}

/** One line of `iptables-restore` for each rule of a chain. */
const appends = (chain: Chain): string[] => chain.rules.map((rule) => iptablesRule(chain.name, rule));

function tables(
  rules: IptablesRules,
  lines: (chains: readonly Chain[], table: (typeof TABLES)[number]) => string[],
): string {
  return TABLES.map((table) =>
    [`*${table}`, ...lines(rules[table] ?? [], table), 'COMMIT', ''].join('\n'),
  ).join('');
}

const declare = (chain: string) => `:${word(chain)} - [0:0]`;
const chainOf = (target: Target): string => {
  if (target.kind !== 'jump') throw new HarnessError(`A built-in chain may only jump, not ${target.kind}`);
  return target.chain;
};

/**
 * One rule in the order in which `iptables-save` shows what kube-proxy wrote. Matches hold or not whatever
 * their order; it only matters for comparing.
 */
export function iptablesRule(chain: string, rule: Rule): string {
  const comment = rule.comment === undefined ? [] : ['-m comment --comment', quoted(rule.comment)];
  const states = rule.states
    ? [`-m conntrack${rule.statesNot ? ' !' : ''} --ctstate ${rule.states.map(word).join(',')}`]
    : [];
  const port = rule.protocol
    ? [
        `-m ${word(rule.protocol)}`,
        ...(rule.destinationPort ? [`--dport ${integer(rule.destinationPort)}`] : []),
      ]
    : [];
  const types = [
    ...(rule.notFromBridge ? ['-m physdev ! --physdev-is-in'] : []),
    ...(rule.sourceLocal ? ['-m addrtype --src-type LOCAL'] : []),
    ...(rule.sourceNotLocal ? ['-m addrtype ! --src-type LOCAL'] : []),
    ...(rule.destinationLocal ? ['-m addrtype --dst-type LOCAL'] : []),
  ];
  return [
    `-A ${word(chain)}`,
    ...(rule.source ? [`${rule.source.not ? '! ' : ''}-s ${word(rule.source.cidr)}`] : []),
    ...(rule.destination ? [`${rule.destination.not ? '! ' : ''}-d ${word(rule.destination.cidr)}`] : []),
    ...(rule.protocol ? [`-p ${word(rule.protocol)}`] : []),
    ...(BUILT_IN.has(chain) ? [...states, ...comment] : [...comment, ...states]),
    ...(rule.mark
      ? [`-m mark${rule.mark.not ? ' !' : ''} --mark ${hex(rule.mark.value)}/${hex(rule.mark.mask)}`]
      : []),
    ...(rule.probability ? [`-m statistic --mode random --probability ${word(rule.probability)}`] : []),
    ...(rule.recent ? recent(rule.recent) : []),
    ...(rule.destination ? [...port, ...types] : [...types, ...port]),
    ...targetText(rule.target),
  ].join(' ');
}

function recent({ name, check, seconds, reap }: NonNullable<Rule['recent']>): string[] {
  const age = seconds === undefined ? [] : [`--seconds ${integer(seconds)}`];
  const set = ['-m recent', `--${word(check)}`, ...age, ...(reap ? ['--reap'] : []), `--name ${word(name)}`];
  return [...set, '--mask 255.255.255.255 --rsource'];
}

function targetText(target: Target): string[] {
  switch (target.kind) {
    case 'jump':
      return [`-j ${word(target.chain)}`];
    case 'goto':
      return [`-g ${word(target.chain)}`];
    case 'accept':
    case 'drop':
    case 'return':
      return [`-j ${target.kind.toUpperCase()}`];
    case 'reject':
      return ['-j REJECT --reject-with icmp-port-unreachable'];
    case 'dnat':
      return [`-j DNAT --to-destination ${word(target.address)}:${integer(target.port)}`];
    case 'masquerade':
      return [`-j MASQUERADE${target.fullyRandom ? ' --random-fully' : ''}`];
    case 'mark':
      return [`-j MARK --set-xmark ${hex(target.value)}/${hex(target.mask)}`];
    case 'none':
      return [];
    default:
      throw new HarnessError(`iptables has no target '${target.kind}'`);
  }
}

/** Anything that is one word for iptables-restore: names, addresses, ranges, decimals. */
function word(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(text))
    throw new HarnessError(
      `'${text}' cannot stand in an iptables rule; only letters, digits and . _ / - can`,
    );
  return text;
}

/** A comment between quotation marks; xt_comment holds 255 bytes. */
function quoted(text: string): string {
  if (!/^[\x20-\x7e]{0,255}$/.test(text) || /["\\]/.test(text))
    throw new HarnessError(`'${text}' cannot be the comment of an iptables rule`);
  return `"${text}"`;
}

const integer = (value: number) => {
  if (!Number.isSafeInteger(value) || value < 0) throw new HarnessError(`${value} is no number for a rule`);
  return String(value);
};
const hex = (value: number) => `0x${value.toString(16)}`;
