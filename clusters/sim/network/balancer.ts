import { mix32 } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerProgram, ProgramBackend } from '../../control-plane/balancer/balancer-program.ts';
import { type Address, parseAddress } from './ipv4.ts';
import type { SimNode } from './node.ts';
import type { PacketKind } from './packet.ts';

/** Where a balancer sends a flow: a node, or a pod on it to which it rewrites what it sends. */
export interface Target {
  readonly name: string;
  readonly held: ProgramBackend['held'];
  /** Undefined: it is gone. */
  readonly node: SimNode | undefined;
  readonly pod?: { readonly address: Address; readonly port: number };
}

/** What the balancer knows of one flow: the entry of its connection tracking table. */
export interface TrackedFlow {
  readonly client: Address;
  readonly clientPort: number;
  readonly address: Address;
  readonly port: number;
  tracked: Target | undefined;
  trackedAt: Millis;
  trackedGeneration: number;
}

/** What a balancer does with a packet: sends it on, has nobody for it, or answers it with RST. */
export type Routed = Target | 'nobody' | 'reset';

/** One forwarding rule as packets meet it: tracking table, then the lookup table (Maglev paper 3.2; FACTS A3). */
export class Frontend {
  /** Grows with each change of the program. */
  epoch = 0;
  program: BalancerProgram | undefined;
  private targets: readonly Target[] = [];
  private byName: ReadonlyMap<string, Target> = new Map();

  /** Replaces the program; `nodes` finds those that its names stand for, undefined where a node is gone. */
  set(program: BalancerProgram | undefined, nodes: (name: string) => SimNode | undefined): void {
    this.program = program;
    this.targets = (program?.backends ?? []).map(({ name, node, held, pod }) => ({
      ...{ name, held, node: nodes(node) },
      ...(pod && { pod: { address: parseAddress(pod.address), port: pod.port } }),
    }));
    this.byName = new Map(this.targets.map((target) => [target.name, target]));
    this.epoch++;
  }

  /** Whether the program's names now stand for other nodes. */
  differs(nodes: (name: string) => SimNode | undefined): boolean {
    return (this.program?.backends ?? []).some(
      ({ node }, index) => nodes(node) !== this.targets[index]?.node,
    );
  }

  /** The idle time after which a flow that speaks again fares otherwise. */
  get idle(): Millis {
    const idle = this.program?.tracking.idle ?? 0;
    return this.program !== undefined && idle === 0 ? Number.POSITIVE_INFINITY : idle;
  }

  /** Where this packet goes. A SYN is always a new connection. */
  route(flow: TrackedFlow, kind: PacketKind, now: Millis): Routed {
    const { program } = this;
    if (program === undefined) return 'nobody';
    const { idle, unknown, left } = program.tracking;
    const entry =
      kind !== 'syn' &&
      idle > 0 &&
      flow.trackedGeneration === program.generation &&
      now - flow.trackedAt <= idle
        ? flow.tracked
        : undefined;
    const target = entry && this.byName.get(entry.name);
    const held = entry === undefined ? (kind === 'syn' ? 'moved' : unknown) : (target?.held ?? left);
    if (held === 'reset') {
      flow.tracked = undefined;
      return 'reset';
    }
    flow.tracked = held === 'kept' ? target : this.choose(program, flow);
    flow.trackedGeneration = program.generation;
    flow.trackedAt = now;
    return flow.tracked ?? 'nobody';
  }

  private choose(program: BalancerProgram, flow: TrackedFlow): Target | undefined {
    const { table } = program;
    if (table.length === 0) return undefined;
    let hash = mix32(flow.client ^ 0x2c1b3c6d) ^ flow.address;
    if (program.hash === 'four-tuple')
      hash = mix32(hash ^ Math.imul(flow.clientPort, 0x9e3779b1)) ^ flow.port;
    return this.targets[table[mix32(hash) % table.length] as number];
  }
}
