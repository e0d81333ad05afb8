import { isDeepStrictEqual } from 'node:util';
import type { V1Service } from '@kubernetes/client-node';
import type { BalancerEntry } from '../../../harness/platforms/balancer-entry.ts';
import { BALANCERS } from '../../../harness/platforms/balancers.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { virtualAddress } from '../addresses.ts';
import { type BalancerContext, perform } from '../context.ts';
import { isNodeExcluded } from '../controllers/scheduler.ts';
import { WorkQueue } from '../controllers/work-queue.ts';
import { nameOf } from '../store/objects.ts';
import {
  createPool,
  failOpen,
  healthCheck,
  nextChange,
  observe,
  type Pool,
  type PoolConfig,
  pass,
  program,
  reconfigure,
  recreate,
  setMembers,
} from './load-balancer.ts';
import type { Member } from './members.ts';
import { drawn, Membership } from './membership.ts';

/** Times of the cloud's API, which no document states; what matters is that they are seconds and not milliseconds. */
const CLOUD = {
  /** From a new Service to its forwarding rule. */
  provision: 5000,
  /** Between the deletion of a forwarding rule and its being there again, when a Service edit needs it recreated. */
  recreation: 5000,
} as const satisfies Record<string, Millis>;

interface Balancer {
  readonly service: string;
  readonly address: string;
  /** What the cloud controller compares an edit against. */
  wanted: readonly PoolConfig[];
  /** One a port; empty while the forwarding rules are being recreated. */
  pools: Pool[];
  /** Those before a recreation. */
  former: Pool[];
  recreating: Disposable | undefined;
  checks: Disposable[];
  /** Until time alone changes a pool. */
  waiting: Disposable | undefined;
}

/** The cloud's controller and its passthrough balancer: pools, their health checks, and what the machine forwards. */
export class BalancerDriver implements Disposable {
  private readonly context: BalancerContext;
  private readonly random: Random;
  private readonly entry: BalancerEntry;
  private readonly services: WorkQueue;
  private readonly memberSync: WorkQueue;
  private readonly balancers = new Map<string, Balancer>();
  private readonly logged = new Map<string, string>();
  private readonly membership: Membership;
  private handedOut = 0;
  private programming = false;
  private again = false;
  private recreated = new Set<string>();

  constructor(context: BalancerContext) {
    this.context = context;
    this.random = context.random.fork('balancer');
    this.entry = BALANCERS[context.axes.balancer];
    this.services = new WorkQueue(
      context.clock,
      (name) => this.syncService(name),
      () => this.random.integer(5, 50),
    );
    const times = this.random.fork('members');
    this.memberSync = new WorkQueue(
      context.clock,
      () => this.syncMembers(),
      () => drawn(times, this.entry.times.told),
    );
    this.membership = new Membership(context, () => this.syncMembers());
    const { heedsNodes, heedsEndpoints } = this.membership;
    context.store.watch((type, object, old) => {
      if (object.kind === 'Service') {
        const waits = type === 'added' && (object as V1Service).spec?.type === 'LoadBalancer';
        this.services.add(nameOf(object), waits ? CLOUD.provision : undefined);
      }
      if (object.kind === 'Node') {
        const isMarked = old !== undefined && isNodeExcluded(old) !== isNodeExcluded(object);
        if (type !== 'modified' || heedsNodes || isMarked) this.memberSync.add('');
      }
      if (object.kind === 'EndpointSlice' && heedsEndpoints) this.memberSync.add('');
    });
  }

  /** The VIP that clients dial, once the cloud has handed it out. */
  address(service: string): { address: string; port: number } | undefined {
    const object = this.context.store.get('Service', service);
    const address = object?.status?.loadBalancer?.ingress?.[0]?.ip;
    const port = object?.spec?.ports?.[0]?.port;
    return address === undefined || port === undefined ? undefined : { address, port };
  }

  /** The first port's pool. */
  pool(service: string): Pool | undefined {
    return this.balancers.get(service)?.pools[0];
  }

  /** Whether the machine forwards what the Service now asks for, to those who are members now. */
  isCurrent(service: string): boolean {
    const object = this.context.store.get('Service', service);
    const balancer = this.balancers.get(service);
    if (object === undefined || balancer === undefined || this.programming) return false;
    const wanted = this.configs(object, balancer.address);
    const members = wanted.map(({ port }) => this.members(object, port));
    const taken = balancer.pools.map(({ backends }) =>
      backends.filter(({ leaving }) => leaving === undefined),
    );
    return isDeepStrictEqual([balancer.wanted, taken.map(sorted)], [wanted, members.map(sorted)]);
  }

  /** A machine has ended without a word, whatever the API still says of its Node. */
  removeNode(name: string): void {
    this.membership.removeNode(name);
  }

  addNode(name: string): void {
    this.membership.addNode(name);
  }

  [Symbol.dispose](): void {
    this.services[Symbol.dispose]();
    this.memberSync[Symbol.dispose]();
    this.membership[Symbol.dispose]();
    for (const balancer of this.balancers.values()) this.stop(balancer);
  }

  private syncService(name: string): void {
    const service = this.context.store.get('Service', name);
    const existing = this.balancers.get(name);
    if (service?.spec?.type !== 'LoadBalancer') {
      if (existing !== undefined) this.tearDown(existing);
      return;
    }
    if (existing === undefined) {
      this.provision(service);
      return;
    }
    const wanted = this.configs(service, existing.address);
    if (this.needsRecreation(existing.wanted, wanted)) this.recreate(existing, service);
    else if (!isDeepStrictEqual(existing.wanted, wanted)) this.edit(existing, wanted);
  }

  private provision(service: V1Service): void {
    const address = service.spec?.loadBalancerIP ?? virtualAddress(this.handedOut++);
    const wanted = this.configs(service, address);
    const balancer: Balancer = {
      service: nameOf(service),
      address,
      wanted,
      pools: wanted.map((config) =>
        createPool(config, this.members(service, config.port), this.context.clock.now()),
      ),
      former: [],
      recreating: undefined,
      checks: [],
      waiting: undefined,
    };
    this.balancers.set(balancer.service, balancer);
    this.startChecks(balancer);
    this.publish();
    this.context.store.update('Service', balancer.service, (current) => ({
      ...current,
      status: { ...current.status, loadBalancer: { ingress: [{ ip: address, ipMode: 'VIP' }] } },
    }));
  }

  private tearDown(balancer: Balancer): void {
    this.stop(balancer);
    this.balancers.delete(balancer.service);
    this.publish();
    this.context.record({ type: 'balancer', service: balancer.service, backends: [], failOpen: false });
    this.logged.delete(balancer.service);
    if (this.context.store.get('Service', balancer.service) === undefined) return;
    this.context.store.update('Service', balancer.service, ({ status: _status, ...rest }) => ({
      ...rest,
      status: { loadBalancer: {} },
    }));
  }

  /** The edit changes what a forwarding rule or a health check is: both go, and come back some seconds later (FACTS A4). */
  private recreate(balancer: Balancer, service: V1Service): void {
    balancer.wanted = this.configs(service, balancer.address);
    this.stopChecks(balancer);
    if (balancer.recreating === undefined) balancer.former = balancer.pools;
    balancer.recreating?.[Symbol.dispose]();
    balancer.pools = [];
    this.publish();
    balancer.recreating = this.context.clock.after(CLOUD.recreation, () => {
      balancer.recreating = undefined;
      const now = this.context.clock.now();
      balancer.pools = balancer.wanted.map((config, index) => {
        const former = balancer.former[index] ?? balancer.former[0];
        const members = this.members(service, config.port);
        return former === undefined
          ? createPool(config, members, now)
          : recreate(former, config, members, now);
      });
      balancer.former = [];
      this.recreated.add(balancer.service);
      this.startChecks(balancer);
      this.publish();
    });
  }

  /** What the balancer changes in place; who is a member by now follows as after any other change. */
  private edit(balancer: Balancer, wanted: readonly PoolConfig[]): void {
    const now = this.context.clock.now();
    balancer.wanted = wanted;
    balancer.pools = balancer.pools.map((pool, index) =>
      reconfigure(pool, wanted[index] ?? pool.config, now),
    );
    this.stopChecks(balancer);
    this.startChecks(balancer);
    this.memberSync.add('');
    this.publish();
  }

  private configs(service: V1Service, address: string): PoolConfig[] {
    const { axes } = this.context;
    const spec = service.spec ?? {};
    return (spec.ports ?? []).map(({ port, nodePort }) => ({
      service: nameOf(service),
      address,
      port,
      kind: axes.balancer,
      policy: spec.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
      affinity: spec.sessionAffinity === 'ClientIP' ? 'ClientIP' : 'None',
      healthCheckPort: spec.healthCheckNodePort ?? 0,
      nodePort: nodePort ?? 0,
      random: this.random,
    }));
  }

  /** Ports differ, or what else this balancer cannot change in place (FACTS A4). */
  private needsRecreation(before: readonly PoolConfig[], after: readonly PoolConfig[]): boolean {
    if (before.length !== after.length) return true;
    const keys = ['port', ...this.entry.recreatedBy] as const;
    return after.some((config, index) => keys.some((key) => before[index]?.[key] !== config[key]));
  }

  /** Who is a member now of the pool for a port. */
  private members(service: V1Service, port: number): Member[] {
    const pool = this.balancers.get(nameOf(service))?.pools.find(({ config }) => config.port === port);
    return this.membership.of(service, port, pool);
  }

  private syncMembers(): void {
    const now = this.context.clock.now();
    let changed = false;
    for (const balancer of this.balancers.values()) {
      const service = this.context.store.get('Service', balancer.service);
      if (service === undefined) continue;
      const pools = balancer.pools.map((pool) =>
        setMembers(pool, this.members(service, pool.config.port), now),
      );
      if (pools.every((pool, index) => pool === balancer.pools[index])) continue;
      changed = true;
      balancer.pools = pools;
      this.stopChecks(balancer);
      this.startChecks(balancer);
    }
    if (changed) this.publish();
  }

  private stop(balancer: Balancer): void {
    balancer.recreating?.[Symbol.dispose]();
    this.stopChecks(balancer);
  }

  private stopChecks(balancer: Balancer): void {
    for (const check of balancer.checks) check[Symbol.dispose]();
    balancer.checks = [];
    balancer.waiting?.[Symbol.dispose]();
    balancer.waiting = undefined;
  }

  /** Each pool asks each of its backends once an interval, in a phase that belongs to the pair; and waits for what time changes. */
  private startChecks(balancer: Balancer): void {
    for (const [index, pool] of balancer.pools.entries())
      for (const backend of pool.backends) this.check(balancer, index, backend);
    this.wait(balancer);
  }

  /** Anew for each new health check: what is asked, and how often, stays as it is until then. */
  private check(balancer: Balancer, index: number, { name, node, pod }: Member): void {
    const { clock, machine } = this.context;
    const asked = balancer.pools[index];
    const check = asked && healthCheck(asked, { name, node, ...(pod && { pod }) });
    if (asked === undefined || check === undefined) return;
    const { port, interval, timeout, asks } = check;
    const phases = this.random.fork(`${balancer.service}/${index}/${name}/${asked.generation}`);
    const phase = phases.integer(0, interval);
    const first = (((phase - clock.now()) % interval) + interval) % interval;
    const target = {
      node,
      ...(pod && { address: pod.address }),
      port,
      by: asks === 'traffic-port' ? 'tcp' : 'http',
    } as const;
    const ask = () =>
      machine.checkHealth(target, timeout, (ok) => {
        const pool = balancer.pools[index];
        if (pool === undefined || pool.generation !== asked.generation || pool.config !== asked.config)
          return;
        const seen = observe(pool, name, ok, clock.now());
        if (seen === pool) return;
        balancer.pools[index] = seen;
        this.publish();
      });
    // Where time passes by itself, a check that was late must not delay all later ones: the phase stays.
    balancer.checks.push(clock.every(interval, first, ask));
  }

  /** Until the first moment at which time alone changes a pool: somebody has registered, or drained. */
  private wait(balancer: Balancer): void {
    const { clock } = this.context;
    const now = clock.now();
    const times = balancer.pools.flatMap((pool) => nextChange(pool, now) ?? []);
    if (times.length === 0) return;
    balancer.waiting = clock.after(Math.min(...times) - now, () => {
      balancer.waiting = undefined;
      balancer.pools = balancer.pools.map((pool) => pass(pool, clock.now()));
      this.wait(balancer);
      this.publish();
    });
  }

  /** Has the machine forward what the pools now say; changes that come meanwhile are taken together. */
  private publish(): void {
    if (this.programming) {
      this.again = true;
      return;
    }
    this.programming = true;
    const pools = [...this.balancers.values()].flatMap((balancer) => balancer.pools);
    const views = [...this.balancers.values()];
    const firsts = new Map(views.map(({ service, pools: [first] }) => [service, first]));
    perform(
      this.context,
      () => this.context.machine.programBalancer(pools.map(program)),
      () => {
        this.programming = false;
        for (const [service, pool] of firsts) this.log(service, pool);
        if (!this.again) return;
        this.again = false;
        this.publish();
      },
    );
  }

  private log(service: string, pool: Pool | undefined): void {
    const backends = (pool?.backends ?? []).map(({ node, healthy }) => ({ node, healthy }));
    const event = { backends, failOpen: pool !== undefined && failOpen(pool) };
    const text = JSON.stringify([event, pool?.generation]);
    if (this.logged.get(service) === text) return;
    this.logged.set(service, text);
    const recreated = pool !== undefined && this.recreated.delete(service);
    this.context.record({ type: 'balancer', service, ...event, ...(recreated ? { recreated } : {}) });
  }
}

const sorted = (members: readonly Member[]): string[] => members.map(({ name }) => name).sort();
