import { virtualAddress } from '../../control-plane/addresses.ts';

/** Counters by name; how much each has grown since an earlier look. */
export type Counters = Readonly<Record<string, number>>;

/** What tells how a node treats packets that it does not deliver, in /proc/net/snmp. */
const KERNEL: readonly [table: string, name: string][] = [
  ['Icmp', 'OutDestUnreachs'],
  ['Tcp', 'OutRsts'],
  ['Ip', 'OutNoRoutes'],
];

/** Reads a network namespace's /proc/net/snmp. */
export function kernelCounters(snmp: string): Counters {
  const values: Record<string, number> = {};
  const lines = snmp.split('\n').map((line) => line.split(' '));
  for (const [index, [table, ...names]] of lines.entries())
    for (const [wanted, name] of KERNEL)
      if (table === `${wanted}:` && names.includes(name)) {
        const numbers = lines[index + 1]?.slice(1) ?? [];
        values[`${wanted}.${name}`] = Number(numbers[names.indexOf(name)]);
      }
  return values;
}

/** Packets that met each rule which rejects or drops, in the output of `iptables-save --counters`. */
export function ruleCounters(saved: string): Counters {
  const values: Record<string, number> = {};
  for (const line of saved.split('\n')) {
    const [, packets, chain] = /^\[(\d+):\d+\] -A (\S+) .*-j (?:REJECT|DROP)\b/.exec(line) ?? [];
    if (packets === undefined || packets === '0') continue;
    const [, target] = /-j (REJECT|DROP)/.exec(line) ?? [];
    const [, comment] = /--comment "?([^"]*?)"? -/.exec(line) ?? [];
    values[`${target} in ${chain}${comment === undefined ? '' : `: ${comment}`}`] = Number(packets);
  }
  return values;
}

/** Virtual IPs of the balancer: health checks and probes are nobody's connections. */
const VIRTUAL = ` dst=${virtualAddress(0).slice(0, virtualAddress(0).lastIndexOf('.'))}.`;

/**
 * What a line of `conntrack -E` tells about a client's connection: a connection that began, one that was picked up in mid-stream because this
 * node had no entry for it (nf_conntrack_tcp_loose), or one that ended.
 */
export function conntrackEvent(line: string): 'opened' | 'picked up in mid-stream' | 'ended' | undefined {
  if (!line.includes(VIRTUAL)) return undefined;
  if (line.includes('[DESTROY]')) return 'ended';
  if (!line.includes('[NEW]')) return undefined;
  return line.includes('SYN_SENT') ? 'opened' : 'picked up in mid-stream';
}

/** How much each counter has grown, without those that have not; one that fell was set to zero in between. */
export function growth(before: Counters, after: Counters): Counters {
  const changes: Record<string, number> = {};
  for (const [name, value] of Object.entries(after)) {
    const earlier = before[name] ?? 0;
    const change = value >= earlier ? value - earlier : value;
    if (change > 0) changes[name] = change;
  }
  return changes;
}
