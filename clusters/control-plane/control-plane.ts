import type { V1NodeStatus } from '@kubernetes/client-node';
import type { Axes } from '../../harness/contracts/axes.ts';
import type { Power } from '../../harness/contracts/cluster.ts';
import type { Event } from '../../harness/contracts/event.ts';
import type { Kube } from '../../harness/contracts/kube.ts';
import { InterruptedError, KubeError, NotReachedError } from '../../harness/errors.ts';
import type { Random } from '../../harness/statistics/random.ts';
import type { Clock } from '../../harness/time/clock.ts';
import { formatDuration, type Millis } from '../../harness/time/duration.ts';
import { nodeAddress, nodeName, podCidr } from './addresses.ts';
import { BalancerDriver } from './balancer/balancer-driver.ts';
import { healthCheck, program } from './balancer/load-balancer.ts';
import type { Context } from './context.ts';
import { AutoscalerDriver } from './controllers/autoscaler-driver.ts';
import { Controllers } from './controllers/controllers.ts';
import { NodeLifecycle, readyNode } from './controllers/node-lifecycle.ts';
import { IngressDriver } from './ingress/ingress-driver.ts';
import { ProxyDriver } from './kube-proxy/proxy-driver.ts';
import { KubeletDriver } from './kubelet/kubelet-driver.ts';
import type { Machine, MachineNode } from './machine.ts';
import { MeshDriver } from './mesh/mesh-driver.ts';
import { Store } from './store/store.ts';
import { storeKube } from './store/store-kube.ts';

export interface ControlPlaneOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Not the control plane's to dispose of. */
  readonly machine: Machine;
  readonly record: (event: Event) => void;
  readonly axes: Axes;
}

/**
 * The embedded Kubernetes that `sim` and `netns` share: API server, controllers, scheduler, kubelets, kube-proxies
 * and the cloud's balancer, acting on one machine by one clock. It logs what it does as events.
 */
export class ControlPlane implements Power, AsyncDisposable {
  /** The API, as strategies use it. Applying a Node that follows the last one adds a machine; deleting a Node removes its machine too. */
  readonly kube: Kube;
  /** The API server's objects, for models that watch them. */
  readonly store: Store;
  private readonly context: Context;
  private readonly kubelets: KubeletDriver;
  private readonly proxies: ProxyDriver;
  private readonly balancer: BalancerDriver;
  private readonly controllers: Controllers;
  private readonly lifecycle: NodeLifecycle;
  private readonly ingress: IngressDriver;
  private readonly mesh: MeshDriver;
  private readonly autoscaler: AutoscalerDriver;
  private nodes = 0;
  private readonly machines = new Map<string, MachineNode>();
  /** Nodes whose machine was switched off. */
  private readonly dark = new Set<string>();
  private failure: { readonly error: unknown } | undefined;

  constructor({ clock, random, machine, record, axes }: ControlPlaneOptions) {
    this.store = new Store(random.fork('store'));
    this.context = {
      clock,
      random: random.fork('control-plane'),
      machine,
      store: this.store,
      axes,
      record: (event) => record({ at: clock.now(), ...event }),
      fail: (error) => {
        this.failure ??= { error };
      },
    };
    this.controllers = new Controllers(this.context);
    this.kubelets = new KubeletDriver(this.context);
    this.proxies = new ProxyDriver(this.context);
    this.balancer = new BalancerDriver(this.context);
    this.lifecycle = new NodeLifecycle(this.context);
    this.ingress = new IngressDriver(this.context, (pod) => this.kubelets.process(pod));
    this.mesh = new MeshDriver(this.context, (pod) => this.kubelets.process(pod));
    this.autoscaler = new AutoscalerDriver(this.context);
    this.kube = storeKube(
      this.store,
      clock,
      { add: (name) => this.addNamedNode(name), remove: (name) => this.deleteNode(name) },
      () => this.check(),
    );
  }

  /** Brings up `axes.nodes` nodes; resolves when all are ready and have their first rules. @throws InterruptedError. */
  async start(signal?: AbortSignal): Promise<void> {
    for (let count = 0; count < this.context.axes.nodes; count++) {
      if (signal?.aborted) throw new InterruptedError('interrupted');
      await this.addNode();
    }
  }

  /** One more node, in the zone whose turn it is; resolves with its name when it is ready. */
  async addNode(): Promise<string> {
    this.check();
    const number = ++this.nodes;
    const node: MachineNode = {
      name: nodeName(number),
      number,
      address: nodeAddress(number),
      podCidr: podCidr(number),
    };
    this.machines.set(node.name, node);
    await this.boot(node);
    this.context.record({ type: 'node', node: node.name, change: 'added' });
    return node.name;
  }

  /** The machine stays a backend; the API learns of it as `NodeLifecycle.powerLost` says. */
  async off(name: string): Promise<void> {
    this.check();
    if (!this.machines.has(name)) throw new KubeError('NotFound', `Node "${name}" not found`);
    if (this.dark.has(name)) return;
    this.dark.add(name);
    // Told first: where it takes time, what ends meanwhile ends for want of power.
    this.context.record({ type: 'node', node: name, change: 'off' });
    await this.stop(name);
    this.lifecycle.powerLost(name);
  }

  async on(): Promise<void> {
    this.check();
    for (const name of [...this.dark]) {
      this.lifecycle.powerBack(name);
      await this.boot(this.machines.get(name) as MachineNode);
      this.context.record({ type: 'node', node: name, change: 'on' });
    }
  }

  /**
   * The node's machine goes without a goodbye, with its pods. The balancer loses it at once; the API learns of it as
   * it does for a machine that was deleted: not ready after 50 to 55 s (before 1.32 40 to 45 s), deleted within 5 s, its pods 40 to 60 s later.
   */
  async removeNode(name: string): Promise<void> {
    await this.removeMachine(name);
    this.lifecycle.machineGone(name);
  }

  /** POST to the gateway's admin port in this pod. @throws HarnessError when it does not run or does not answer 2xx. */
  async call(pod: string, path: string): Promise<void> {
    this.check();
    await this.kubelets.call(pod, path);
  }

  /** Where clients reach the Service: the balancer's virtual IP, once it has one. */
  address(service: string): { address: string; port: number } | undefined {
    return this.balancer.address(service);
  }

  /**
   * Resolves when clients can reach the Service and the balancer has come to rest: the machine forwards, every node
   * the balancer holds healthy forwards new connections, and it has found out which nodes are healthy.
   * @throws NotReachedError after `limit`, InterruptedError once `signal` is aborted.
   */
  async reachable(service: string, limit: Millis, signal?: AbortSignal): Promise<void> {
    const { clock } = this.context;
    const end = clock.now() + limit;
    for (;;) {
      this.check();
      const missing = this.unreachable(service);
      if (missing === undefined) return;
      if (clock.now() >= end)
        throw new NotReachedError(
          `Service ${service} was not reachable within ${formatDuration(limit)}: ${missing}`,
        );
      await clock.sleep(Math.min(1000, end - clock.now()), signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [
      this.controllers,
      this.proxies,
      this.balancer,
      this.lifecycle,
      this.ingress,
      this.mesh,
      this.autoscaler,
      this.kubelets,
    ])
      part[Symbol.dispose]();
  }

  /** What keeps clients from reaching the Service, or undefined. */
  private unreachable(service: string): string | undefined {
    if (this.store.get('Service', service) === undefined) return 'it does not exist';
    if (this.address(service) === undefined) return 'the balancer has given it no address yet';
    const pool = this.balancer.pool(service);
    if (pool === undefined || !this.balancer.isCurrent(service)) return 'the balancer is being programmed';
    const members = pool.backends.filter(({ leaving }) => leaving === undefined);
    if (program(pool).table.length === 0 || !members.some(({ healthy }) => healthy))
      return 'no backend of the balancer is healthy';
    for (const { node, healthy, ...member } of members) {
      const forwards = this.proxies.word(node, service) === 'forward';
      const check = healthCheck(pool, { node, ...member });
      const answer = this.proxies.inForce(node)?.health.find(({ port }) => port === check?.port)?.ok ?? false;
      // A pod that is a member itself is ready, whatever its node does with Services.
      const should =
        check === undefined ||
        member.pod !== undefined ||
        (check.asks === 'traffic-port' ? forwards : answer);
      if (!this.proxies.isCurrent(node)) return `the rules of node ${node} are not up to date`;
      if (should !== healthy) return `the balancer has not found out yet how ${member.name} is`;
      if (healthy && member.pod === undefined && !forwards) return `node ${node} does not forward to it`;
    }
    return undefined;
  }

  private async addNamedNode(name: string): Promise<void> {
    const next = nodeName(this.nodes + 1);
    if (name !== next)
      throw new KubeError('Invalid', `Node "${name}" cannot join: the next node of this cluster is ${next}`);
    await this.addNode();
  }

  /** A Node deleted through the API: its machine goes as well, and nobody needs to find out first. */
  private async deleteNode(name: string): Promise<void> {
    await this.removeMachine(name);
    this.store.remove('Node', name);
    this.lifecycle.nodeDeleted(name);
  }

  private async removeMachine(name: string): Promise<void> {
    this.check();
    if (this.store.get('Node', name) === undefined)
      throw new KubeError('NotFound', `Node "${name}" not found`);
    this.balancer.removeNode(name);
    if (!this.dark.has(name)) await this.stop(name);
    this.context.record({ type: 'node', node: name, change: 'removed' });
  }

  /** The machine comes up and is a node that is ready, with its first rules. */
  private async boot(node: MachineNode): Promise<void> {
    const { clock, machine } = this.context;
    this.dark.delete(node.name);
    await machine.addNode(node);
    await this.proxies.addNode(node);
    this.kubelets.addNode(node);
    this.balancer.addNode(node.name);
    const ready = readyNode(node, clock.now());
    if (this.store.get('Node', node.name) === undefined) this.store.create(ready, clock.now());
    else
      this.store.update('Node', node.name, (known) => ({ ...known, status: ready.status as V1NodeStatus }));
  }

  /** The machine and all that runs on it are gone; the API is not told. */
  private async stop(name: string): Promise<void> {
    this.kubelets.removeNode(name);
    this.proxies.removeNode(name);
    await this.context.machine.removeNode(name);
  }

  private check(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }
}
