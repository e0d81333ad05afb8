import type { Held } from '../../../harness/platforms/balancer-entry.ts';
import { hash32 } from '../../../harness/statistics/random.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import { type PodRules, podChains, podRules } from './pod-rules.ts';

/**
 * What one message to the kernel may carry without the right to raise its buffer (net.core.wmem_max is 208 KiB):
 * lookup tables are filled in pieces of this many slots before anything refers to them.
 */
const SLOTS_AT_ONCE = 2500;

const TUPLE = 'ip saddr . tcp sport . ip daddr . tcp dport';
const HASHED = { 'four-tuple': TUPLE, 'source-address': 'ip saddr' } as const;

/** Lookup tables as named maps and the ruleset that uses them, as texts for `nft -f`. */
export interface BalancerRules {
  /** Map's name -> slot -> mark of the node (its number). */
  readonly tables: ReadonlyMap<string, readonly number[]>;
  /** The trackers, by name: one for each forwarding rule and generation. */
  readonly trackers: readonly string[];
  /** All chains and rules: one transaction. */
  readonly ruleset: string;
}

/**
 * Renders forwarding rules to nftables: a mark for each packet, by which policy routing finds the node. A flow that
 * spoke within the idle time stays where it was, or is reset, as the program says of its backend; every other packet,
 * and every SYN, is hashed into the lookup table. The tracker is a map with timeouts and not conntrack, because with
 * direct server return the balancer sees only one direction, which conntrack takes for invalid; where it sends to pods, see podRules.
 * `numberOf` gives a node's number, which is its mark; `speed` is model milliseconds a real one.
 */
export function balancerRules(
  programs: readonly BalancerProgram[],
  numberOf: (node: string) => number,
  speed: number,
): BalancerRules {
  const tables = new Map<string, readonly number[]>();
  const trackers: string[] = [];
  const dispatch: string[] = [];
  const chains: string[] = [];
  const pods: PodRules[] = [];
  for (const program of programs) {
    const { address, port, backends, tracking, hash } = program;
    const toPods = backends.some(({ pod }) => pod !== undefined)
      ? podRules(program, nameOf(program), speed)
      : undefined;
    if (toPods !== undefined) pods.push(toPods);
    const marks = backends.map(({ node }) => numberOf(node));
    const name = nameOf(program);
    const isTracking = tracking.idle > 0 && toPods === undefined;
    const tracker = `tracker_${name}_${program.generation}`;
    if (isTracking) trackers.push(tracker);
    dispatch.push(`ip daddr ${address} tcp dport ${port} goto rule_${name}`);
    const heldSo = (held: Held) => [...new Set(marks.filter((_, index) => backends[index]?.held === held))];
    const timeout = Number.isFinite(tracking.idle)
      ? ` timeout ${Math.max(1, Math.round(tracking.idle / speed))}ms`
      : '';
    const remember = `update @${tracker} { ${TUPLE}${timeout} : meta mark }`;
    const slots = toPods?.slots ?? Array.from(program.table, (index) => marks[index] as number);
    const choices = [...new Set(slots)];
    const reset = 'counter reject with tcp reset';
    const known = [
      ...marked(heldSo('kept'), `${remember} counter accept`),
      ...marked(heldSo('reset'), reset),
      // What is left carries the mark of a backend that is moved from or not listed any more, or no mark at all.
      ...(tracking.left === 'reset'
        ? [...marked(heldSo('moved'), `goto choose_${name}`), `meta mark != 0 ${reset}`]
        : []),
      ...(tracking.unknown === 'reset' ? [`meta mark 0 ${reset}`] : []),
    ];
    chains.push(
      chain(
        `rule_${name}`,
        toPods?.rule ??
          (isTracking
            ? [
                `tcp flags & (syn | ack) == syn counter goto choose_${name}`,
                `meta mark set ${TUPLE} map @${tracker}`,
                ...known,
                `goto choose_${name}`,
              ]
            : [`goto choose_${name}`]),
      ),
    );
    const choose: string[] = [];
    if (choices.length === 0) choose.push('counter drop');
    else {
      if (choices.length === 1) choose.push(`meta mark set ${choices[0]}`);
      else {
        const table = `table_${hash32(slots.join()).toString(16)}_${slots.length}`;
        tables.set(table, slots);
        choose.push(
          `meta mark set jhash ${HASHED[hash]} mod ${slots.length} seed 0x1`,
          `meta mark set meta mark map @${table}`,
        );
      }
      // An update leaves an entry's old node in place, so the entry is deleted first.
      if (isTracking) choose.push(`delete @${tracker} { ${TUPLE} : meta mark }`, remember);
      choose.push(...(toPods?.chosen ?? ['counter accept']));
    }
    chains.push(chain(`choose_${name}`, choose));
  }
  const ruleset = [
    'flush table ip balancer',
    'table ip balancer {',
    ...trackers.map(
      (name) =>
        `map ${name} {\ntype ipv4_addr . inet_service . ipv4_addr . inet_service : mark\nsize 4000000\nflags dynamic, timeout\n}`,
    ),
    ...new Set(pods.map(({ timeout }) => timeout.text)),
    // Later than these, because a chain must exist before another goes to it.
    ...chains.reverse(),
    chain('prerouting', ['type filter hook prerouting priority -150;', ...dispatch]),
    ...podChains(pods).map(([name, rules]) => chain(name, rules)),
    // Its own words about nodes that are gone would reach clients that a real balancer tells nothing.
    chain('output', ['type filter hook output priority 0;', 'icmp type destination-unreachable drop']),
    '}',
  ].join('\n');
  return { tables, trackers, ruleset };
}

const nameOf = ({ address, port }: BalancerProgram) => `${address.replaceAll('.', '_')}_${port}`;

/** What happens to packets of these marks; nothing where there is none. */
const marked = (marks: readonly number[], then: string): string[] =>
  marks.length === 0 ? [] : [`meta mark { ${marks.join(', ')} } ${then}`];

const chain = (name: string, rules: readonly string[]) => `chain ${name} {\n${rules.join('\n')}\n}`;

/** Runs `nft` where the balancer's packets pass, with an input of its own, and returns its output. */
export type Nft = (args: readonly string[], input?: string) => Promise<string>;

/** A hash-and-route box: takes whole sets of programs, each in one transaction. */
export class BalancerBox {
  private readonly numberOf: (node: string) => number;
  private readonly speed: number;
  private readonly run: Nft;
  private readonly loaded = new Set<string>();
  private trackers: readonly string[] = [];
  private chains: readonly string[] = [];

  constructor(numberOf: (node: string) => number, speed: number, run: Nft) {
    this.numberOf = numberOf;
    this.speed = speed;
    this.run = run;
  }

  /** Replaces all forwarding rules atomically; tracked flows stay known unless the generation changed. */
  async program(programs: readonly BalancerProgram[]): Promise<void> {
    const { tables, trackers, ruleset } = balancerRules(programs, this.numberOf, this.speed);
    for (const [name, slots] of tables) await this.load(name, slots);
    const chains = [...ruleset.matchAll(/^chain (\S+)/gm)].map(([, name]) => name as string);
    const stale = [
      ...this.chains
        .filter((name) => !chains.includes(name))
        .map((name) => `delete chain ip balancer ${name}`),
      ...this.trackers
        .filter((name) => !trackers.includes(name))
        .map((name) => `delete map ip balancer ${name}`),
    ];
    await this.nft(['add table ip balancer', ruleset, ...stale].join('\n'));
    this.trackers = trackers;
    this.chains = chains;
  }

  /** The ruleset with its counters, for people. */
  async counters(): Promise<string> {
    return this.run(['--terse', 'list', 'table', 'ip', 'balancer']);
  }

  /** Fills a lookup table that nothing refers to yet; a table that was ever loaded is there for good. */
  private async load(name: string, slots: readonly number[]): Promise<void> {
    if (this.loaded.has(name)) return;
    await this.nft(`add table ip balancer\nadd map ip balancer ${name} { type mark : mark; }`);
    for (let from = 0; from < slots.length; from += SLOTS_AT_ONCE) {
      const elements = slots
        .slice(from, from + SLOTS_AT_ONCE)
        .map((mark, index) => `${from + index} : ${mark}`);
      await this.nft(`add element ip balancer ${name} { ${elements.join(', ')} }`);
    }
    this.loaded.add(name);
  }

  private async nft(text: string): Promise<void> {
    await this.run(['-f', '-'], `${text}\n`);
  }
}
