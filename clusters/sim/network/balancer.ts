import { mix32 } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import type { Address } from './ipv4.ts';
import type { SimNode } from './node.ts';
import type { PacketKind } from './packet.ts';

/** What the balancer knows of one flow: the entry of its connection tracking table. */
export interface TrackedFlow {
  readonly client: Address;
  readonly clientPort: number;
  readonly address: Address;
  readonly port: number;
  tracked: SimNode | undefined;
  trackedAt: Millis;
  trackedGeneration: number;
}

/** One forwarding rule as packets meet it: tracking table, then Maglev's table (Maglev paper 3.2; FACTS A3). */
export class Frontend {
  /** Grows with each change of the program. */
  epoch = 0;
  program: BalancerProgram | undefined;
  private nodes: readonly (SimNode | undefined)[] = [];

  /** Replaces the program; `nodes` are those that its names stand for, undefined where a node is gone. */
  set(program: BalancerProgram | undefined, nodes: readonly (SimNode | undefined)[]): void {
    this.program = program;
    this.nodes = nodes;
    this.epoch++;
  }

  /** Whether the program's names now stand for other nodes. */
  differs(nodes: readonly (SimNode | undefined)[]): boolean {
    return nodes.length !== this.nodes.length || nodes.some((node, index) => node !== this.nodes[index]);
  }

  /** The idle time after which a flow that speaks again is hashed anew. */
  get idle(): Millis {
    return this.program?.tracking.idle ?? 0;
  }

  /** The node that gets this packet; undefined when there is no backend. A SYN is always a new connection. */
  route(flow: TrackedFlow, kind: PacketKind, now: Millis): SimNode | undefined {
    const { program } = this;
    if (program === undefined) return undefined;
    const isTracked =
      flow.tracked !== undefined &&
      kind !== 'syn' &&
      flow.trackedGeneration === program.generation &&
      now - flow.trackedAt <= program.tracking.idle &&
      this.keeps(program, flow.tracked);
    if (!isTracked) {
      flow.tracked = this.choose(program, flow);
      flow.trackedGeneration = program.generation;
    }
    flow.trackedAt = now;
    return flow.tracked;
  }

  private keeps(program: BalancerProgram, node: SimNode): boolean {
    const index = this.nodes.indexOf(node);
    return index >= 0 && (program.tracking.keep === 'always' || program.healthy[index] === true);
  }

  private choose(program: BalancerProgram, flow: TrackedFlow): SimNode | undefined {
    const { table } = program;
    if (table.length === 0) return undefined;
    let hash = mix32(flow.client ^ 0x2c1b3c6d) ^ flow.address;
    if (program.hash === 'four-tuple')
      hash = mix32(hash ^ Math.imul(flow.clientPort, 0x9e3779b1)) ^ flow.port;
    return this.nodes[table[mix32(hash) % table.length] as number];
  }
}
