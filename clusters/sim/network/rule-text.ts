import type { Mark, Range, Rule, Target } from '../../control-plane/kube-proxy/rules.ts';

/** One rule in the words of the tool that shows it, for people who read why a packet was not delivered. */
export function describeRule(style: 'iptables' | 'nftables', chain: string, rule: Rule): string {
  return style === 'iptables' ? iptables(chain, rule) : nftables(chain, rule);
}

function iptables(chain: string, rule: Rule): string {
  const words = ['-A', chain];
  if (rule.source) words.push(...range('-s', rule.source));
  if (rule.destination) words.push(...range('-d', rule.destination));
  if (rule.protocol) words.push('-p', rule.protocol);
  if (rule.comment) words.push('-m comment --comment', JSON.stringify(rule.comment));
  if (rule.states) words.push(`-m conntrack ${rule.statesNot ? '! ' : ''}--ctstate ${rule.states.join(',')}`);
  if (rule.mark) words.push(`-m mark ${rule.mark.not ? '! ' : ''}--mark ${markText(rule.mark)}`);
  if (rule.destinationLocal) words.push('-m addrtype --dst-type LOCAL');
  if (rule.destinationPort !== undefined) words.push(`--dport ${rule.destinationPort}`);
  const target = iptablesTarget(rule.target);
  return target === '' ? words.join(' ') : [...words, target].join(' ');
}

function iptablesTarget(target: Target): string {
  switch (target.kind) {
    case 'jump':
      return `-j ${target.chain}`;
    case 'goto':
      return `-g ${target.chain}`;
    case 'reject':
      return '-j REJECT --reject-with icmp-port-unreachable';
    case 'dnat':
      return `-j DNAT --to-destination ${target.address}:${target.port}`;
    case 'masquerade':
      return `-j MASQUERADE${target.fullyRandom ? ' --random-fully' : ''}`;
    case 'mark':
      return `-j MARK --set-xmark ${markText(target)}`;
    case 'none':
      return '';
    default:
      return `-j ${target.kind.toUpperCase()}`;
  }
}

function nftables(chain: string, rule: Rule): string {
  const words: string[] = [];
  if (rule.source) words.push('ip saddr', ...nftRange(rule.source));
  if (rule.destination) words.push('ip daddr', ...nftRange(rule.destination));
  if (rule.destinationPort !== undefined)
    words.push(`${rule.protocol ?? 'tcp'} dport ${rule.destinationPort}`);
  if (rule.destinationSet) words.push(`ip daddr @${rule.destinationSet}`);
  if (rule.flowSet) words.push(`ip saddr . ip daddr . meta l4proto . th dport @${rule.flowSet}`);
  if (rule.states) words.push(`ct state ${rule.states.join(',').toLowerCase()}`);
  if (rule.target.kind === 'jump' || rule.target.kind === 'goto')
    words.push(rule.target.kind, rule.target.chain);
  else words.push(rule.target.kind);
  if (rule.comment) words.push('comment', JSON.stringify(rule.comment));
  return `chain ${chain}: ${words.join(' ')}`;
}

const range = (option: string, { cidr, not }: Range) => (not ? ['!', option, cidr] : [option, cidr]);
const nftRange = ({ cidr, not }: Range) => (not ? ['!=', cidr] : [cidr]);
const markText = ({ value, mask }: Mark | { value: number; mask: number }) =>
  `0x${value.toString(16)}/0x${mask.toString(16)}`;
