import type { V1Service } from '@kubernetes/client-node';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { virtualAddress } from '../addresses.ts';
import { type BalancerContext, perform } from '../context.ts';
import { isNodeExcluded, isNodeLeaving, isNodeReady } from '../controllers/scheduler.ts';
import { WorkQueue } from '../controllers/work-queue.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import { nameOf } from '../store/objects.ts';
import {
  createPool,
  failOpen,
  healthCheck,
  observe,
  type Pool,
  type PoolConfig,
  program,
  recreate,
  setNodes,
} from './load-balancer.ts';

/** Times of the cloud's API, which no document states; what matters is that they are seconds and not milliseconds. */
const CLOUD = {
  /** From a new Service to its forwarding rule. */
  provision: 5000,
  /** Between the deletion of a forwarding rule and its being there again, when a Service edit needs it recreated. */
  recreation: 5000,
  /** From a change of the node set to the pool's having it. */
  nodes: 3000,
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
}

/** The cloud's controller and its passthrough balancer: pools, their health checks, and what the machine forwards. */
export class BalancerDriver implements Disposable {
  private readonly context: BalancerContext;
  private readonly random: Random;
  private readonly services: WorkQueue;
  private readonly nodeSync: WorkQueue;
  private readonly balancers = new Map<string, Balancer>();
  private readonly logged = new Map<string, string>();
  private readonly gone = new Set<string>();
  private handedOut = 0;
  private programming = false;
  private again = false;
  private recreated = new Set<string>();

  constructor(context: BalancerContext) {
    this.context = context;
    this.random = context.random.fork('balancer');
    this.services = new WorkQueue(
      context.clock,
      (name) => this.syncService(name),
      () => this.random.integer(5, 50),
    );
    this.nodeSync = new WorkQueue(
      context.clock,
      () => this.syncNodes(),
      () => CLOUD.nodes,
    );
    context.store.watch((type, object, old) => {
      if (object.kind === 'Service') {
        const waits = type === 'added' && (object as V1Service).spec?.type === 'LoadBalancer';
        this.services.add(nameOf(object), waits ? CLOUD.provision : undefined);
      }
      if (object.kind !== 'Node') return;
      const isMarked = old !== undefined && isNodeExcluded(old) !== isNodeExcluded(object);
      if (type !== 'modified' || !this.stableNodeSet || isMarked) this.nodeSync.add('');
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

  /** Whether the machine forwards what the Service now asks for. */
  isCurrent(service: string): boolean {
    const object = this.context.store.get('Service', service);
    const balancer = this.balancers.get(service);
    if (object === undefined || balancer === undefined || this.programming) return false;
    return !needsRecreation(balancer.wanted, this.configs(object, balancer.address));
  }

  /** A deleted virtual machine leaves the pools with its instance, whatever the API still says of the Node. */
  removeNode(name: string): void {
    this.gone.add(name);
    this.syncNodes();
  }

  addNode(name: string): void {
    this.gone.delete(name);
  }

  [Symbol.dispose](): void {
    this.services[Symbol.dispose]();
    this.nodeSync[Symbol.dispose]();
    for (const balancer of this.balancers.values()) {
      balancer.recreating?.[Symbol.dispose]();
      this.stopChecks(balancer);
    }
  }

  private syncService(name: string): void {
    const service = this.context.store.get('Service', name);
    const existing = this.balancers.get(name);
    if (service?.spec?.type !== 'LoadBalancer') {
      if (existing !== undefined) this.tearDown(existing);
      return;
    }
    if (existing === undefined) this.provision(service);
    else if (needsRecreation(existing.wanted, this.configs(service, existing.address)))
      this.recreate(existing, service);
  }

  private provision(service: V1Service): void {
    const address = service.spec?.loadBalancerIP ?? virtualAddress(this.handedOut++);
    const wanted = this.configs(service, address);
    const balancer: Balancer = {
      service: nameOf(service),
      address,
      wanted,
      pools: wanted.map(createPool),
      former: [],
      recreating: undefined,
      checks: [],
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
    balancer.recreating?.[Symbol.dispose]();
    this.stopChecks(balancer);
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
      const nodes = this.backends();
      balancer.pools = balancer.wanted.map((config, index) => {
        const former = balancer.former[index] ?? balancer.former[0];
        return former === undefined
          ? createPool({ ...config, nodes })
          : recreate(former, { ...config, nodes }, now);
      });
      balancer.former = [];
      this.recreated.add(balancer.service);
      this.startChecks(balancer);
      this.publish();
    });
  }

  private configs(service: V1Service, address: string): PoolConfig[] {
    const { axes } = this.context;
    const spec = service.spec ?? {};
    return (spec.ports ?? []).map(({ port }) => ({
      service: nameOf(service),
      address,
      port,
      kind: axes.balancer,
      stickiness: axes.balancerStickiness,
      policy: spec.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster',
      affinity: spec.sessionAffinity === 'ClientIP' ? 'ClientIP' : 'None',
      healthCheckPort: spec.healthCheckNodePort ?? 0,
      nodes: this.backends(),
    }));
  }

  /** StableLoadBalancerNodeSet (KEP-3458). */
  private get stableNodeSet(): boolean {
    return behaviourOf(this.context.axes.kubernetes).stableNodeSet;
  }

  /**
   * All nodes, whatever the traffic policy (FACTS A1), that are neither labelled out nor about to be deleted. With a stable
   * node set only their coming, going and label are acted upon, and readiness is left to the health checks
   * (k8s staging/src/k8s.io/cloud-provider/controllers/service/controller.go stableNodeSetPredicates).
   */
  private backends(): string[] {
    return this.context.store
      .list('Node')
      .filter(
        (node) => !isNodeExcluded(node) && !isNodeLeaving(node) && (this.stableNodeSet || isNodeReady(node)),
      )
      .map(nameOf)
      .filter((name) => !this.gone.has(name));
  }

  private syncNodes(): void {
    const nodes = this.backends();
    const now = this.context.clock.now();
    let changed = false;
    for (const balancer of this.balancers.values()) {
      const pools = balancer.pools.map((pool) => setNodes(pool, nodes, now));
      if (pools.every((pool, index) => pool === balancer.pools[index])) continue;
      changed = true;
      balancer.pools = pools;
      this.stopChecks(balancer);
      this.startChecks(balancer);
    }
    if (changed) this.publish();
  }

  private stopChecks(balancer: Balancer): void {
    for (const check of balancer.checks) check[Symbol.dispose]();
    balancer.checks = [];
  }

  /** Each pool asks each of its nodes once an interval, in a phase that belongs to the pair. */
  private startChecks(balancer: Balancer): void {
    for (const [index, pool] of balancer.pools.entries())
      for (const node of program(pool).nodes) {
        const { interval } = healthCheck(pool);
        const phases = this.random.fork(`${balancer.service}/${index}/${node}/${pool.generation}`);
        const phase = phases.integer(0, interval);
        const first = (((phase - this.context.clock.now()) % interval) + interval) % interval;
        this.check(balancer, index, node, first);
      }
  }

  /** Anew for each new health check: what is asked, and how often, stays as it is until then. */
  private check(balancer: Balancer, index: number, node: string, delay: Millis): void {
    const { clock, machine } = this.context;
    const asked = balancer.pools[index];
    if (asked === undefined) return;
    const { port, interval, timeout } = healthCheck(asked);
    const ask = () =>
      machine.checkHealth(node, port, timeout, (ok) => {
        const pool = balancer.pools[index];
        if (pool === undefined || pool.generation !== asked.generation) return;
        const seen = observe(pool, node, ok, clock.now());
        if (seen === pool) return;
        balancer.pools[index] = seen;
        this.publish();
      });
    // Where time passes by itself, a check that was late must not delay all later ones: the phase stays.
    balancer.checks.push(clock.every(interval, delay, ask));
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
    const { nodes, healthy } = pool ? program(pool) : { nodes: [], healthy: [] };
    const backends = nodes.map((node, index) => ({ node, healthy: healthy[index] ?? false }));
    const event = { backends, failOpen: pool !== undefined && failOpen(pool) };
    const text = JSON.stringify([event, pool?.generation]);
    if (this.logged.get(service) === text) return;
    this.logged.set(service, text);
    const recreated = pool !== undefined && this.recreated.delete(service);
    this.context.record({ type: 'balancer', service, ...event, ...(recreated ? { recreated } : {}) });
  }
}

/** Ports, affinity or traffic policy differ: what the cloud controller cannot change in place (FACTS A4). */
function needsRecreation(before: readonly PoolConfig[], after: readonly PoolConfig[]): boolean {
  if (before.length !== after.length) return true;
  return after.some((config, index) => {
    const old = before[index] as PoolConfig;
    return (['port', 'affinity', 'policy', 'healthCheckPort'] as const).some(
      (key) => old[key] !== config[key],
    );
  });
}
