import type { V1Service } from '@kubernetes/client-node';
import type { BalancerEntry, Range } from '../../../harness/platforms/balancer-entry.ts';
import { BALANCERS } from '../../../harness/platforms/balancers.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerContext } from '../context.ts';
import { SERVICE_NAME } from '../controllers/endpoint-slice.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import { labelsOf, nameOf } from '../store/objects.ts';
import type { Pool } from './load-balancer.ts';
import { type Member, membersOf } from './members.ts';

/** Whom a balancer of the cell's kind takes for members, and when it misses a machine that has ended. */
export class Membership implements Disposable {
  /** Whether more of nodes counts than their coming and going. */
  readonly heedsNodes: boolean;
  readonly heedsEndpoints: boolean;
  private readonly context: BalancerContext;
  private readonly entry: BalancerEntry;
  private readonly random: Random;
  private readonly changed: () => void;
  /** StableLoadBalancerNodeSet (KEP-3458). */
  private readonly stableNodeSet: boolean;
  /** Nodes whose machines have ended, until the balancer knows it. */
  private readonly missed = new Map<string, Disposable>();
  /** And from then on. */
  private readonly gone = new Set<string>();

  /** `changed` is called when the balancer misses a machine. */
  constructor(context: BalancerContext, changed: () => void) {
    this.context = context;
    this.changed = changed;
    this.entry = BALANCERS[context.axes.balancer];
    this.random = context.random.fork('balancer').fork('vanished');
    this.stableNodeSet = behaviourOf(context.axes.kubernetes).stableNodeSet;
    const rules = Object.values(this.entry.members);
    this.heedsNodes = rules.some((rule) => rule !== 'nodes') || !this.stableNodeSet;
    this.heedsEndpoints = rules.some((rule) => /serving|endpoint|pods/.test(rule));
  }

  /** By the entry's rule; a machine that has ended stays a member of `pool` until it is missed. */
  of(service: V1Service, port: number, pool: Pool | undefined): Member[] {
    const { store } = this.context;
    const policy = service.spec?.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
    const slices = store
      .list('EndpointSlice')
      .filter((slice) => labelsOf(slice)[SERVICE_NAME] === nameOf(service));
    const around = { nodes: store.list('Node'), slices, stableNodeSet: this.stableNodeSet };
    const members = membersOf(this.entry.members[policy], service, { port, around }).filter(
      ({ node }) => !this.gone.has(node),
    );
    if (this.missed.size === 0) return members;
    const listed = new Set(members.map(({ name }) => name));
    const ended = pool?.backends.filter(
      ({ name, node, leaving }) => leaving === undefined && this.missed.has(node) && !listed.has(name),
    );
    return [...members, ...(ended ?? [])];
  }

  removeNode(name: string): void {
    const delay = drawn(this.random.fork(name), this.entry.times.vanished);
    const leave = () => {
      this.missed.delete(name);
      this.gone.add(name);
      this.changed();
    };
    if (delay === 0) leave();
    else this.missed.set(name, this.context.clock.after(delay, leave));
  }

  addNode(name: string): void {
    this.missed.get(name)?.[Symbol.dispose]();
    this.missed.delete(name);
    this.gone.delete(name);
  }

  [Symbol.dispose](): void {
    for (const timer of this.missed.values()) timer[Symbol.dispose]();
  }
}

/** One of the times that a range allows. */
export const drawn = (random: Random, [least, most]: Range): Millis =>
  least === most ? least : random.integer(least, most + 1);
