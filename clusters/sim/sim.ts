import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Cluster,
  type ClusterSpec,
  NOTHING_LEFT,
  type Power,
  type Provider,
  type RunContext,
} from '../../harness/contracts/cluster.ts';
import type { ClientAddress, Greeting, Socket, SocketHandlers } from '../../harness/contracts/connection.ts';
import type { Kube } from '../../harness/contracts/kube.ts';
import { PROXY_NAMES } from '../../harness/platforms/proxies.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import { ControlPlane } from '../control-plane/control-plane.ts';
import { rulesNotHeld } from '../control-plane/kubernetes-versions.ts';
import { SimMachine } from './machine.ts';

/** The simulator: virtual time, modelled nodes and network, the embedded control plane. */
export const sim: Provider = {
  name: 'sim',
  description:
    'virtual time; packets walk modelled rules, conntrack and balancer (modelled, any OS, seconds)',
  evidence: 'modelled',
  offers: new Set([
    'passthrough-balancer',
    'node-churn',
    'node-power',
    'second-balancer',
    'balancer-recreation',
    'autoscaler',
    ...PROXY_NAMES,
    'own-proxy',
    'handoff',
    'mesh',
  ]),
  refuses: rulesNotHeld,
  preflight: async () => ({ usable: true, notes: [] }),
  open: (spec, context) => SimCluster.open(spec, context),
  sweep: async () => NOTHING_LEFT,
};

class SimCluster implements Cluster {
  readonly clock: VirtualClock;
  readonly kube: Kube;
  readonly facts: Readonly<Record<string, string>>;
  private readonly controlPlane: ControlPlane;
  private readonly machine: SimMachine;
  private readonly signal: AbortSignal;

  static async open({ axes }: ClusterSpec, { record, random, signal }: RunContext): Promise<SimCluster> {
    const clock = new VirtualClock();
    const forked = random.fork('cluster');
    const machine = new SimMachine({
      clock,
      random: forked.fork('machine'),
      axes,
      record: (event) => record({ at: clock.now(), ...event }),
    });
    const controlPlane = new ControlPlane({
      clock,
      random: forked.fork('control-plane'),
      machine,
      record,
      axes,
    });
    const cluster = new SimCluster(clock, machine, controlPlane, signal);
    await clock.run(() => controlPlane.start(signal));
    return cluster;
  }

  private constructor(
    clock: VirtualClock,
    machine: SimMachine,
    controlPlane: ControlPlane,
    signal: AbortSignal,
  ) {
    this.signal = signal;
    this.clock = clock;
    this.machine = machine;
    this.controlPlane = controlPlane;
    this.kube = controlPlane.kube;
    this.facts = { time: 'virtual', network: 'modelled, without latency' };
  }

  reachable(service: string, limit: Millis, signal = this.signal): Promise<void> {
    return this.controlPlane.reachable(service, limit, signal);
  }

  get power(): Power {
    return this.controlPlane;
  }

  call(pod: string, path: string): Promise<void> {
    return this.controlPlane.call(pod, path);
  }

  dial(client: ClientAddress, handlers: SocketHandlers): Socket {
    if (client.group === 'control') return new ControlConnection(this.clock, handlers);
    const target = this.controlPlane.address(client.service);
    return target === undefined
      ? new Nowhere(this.clock, handlers, `Service ${client.service} has no address`)
      : this.machine.dial(client, target, handlers);
  }

  /** Every object of the API, and what each node's dataplane was last programmed with. */
  async collect(directory: string): Promise<void> {
    const kinds = ['Node', 'Pod', 'Deployment', 'ReplicaSet', 'Service', 'EndpointSlice'] as const;
    const objects = await Promise.all(kinds.map((kind) => this.kube.list(kind)));
    const state = { objects: objects.flat(), nodes: this.machine.fabric.describe() };
    await writeFile(join(directory, 'sim-state.json'), `${JSON.stringify(state, null, 2)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.controlPlane[Symbol.asyncDispose]();
    await this.machine[Symbol.asyncDispose]();
  }
}

const CONTROL: Greeting = { pod: 'control', version: 'control' };

/**
 * A control client's connection: to a gateway outside the cluster, by a path that no balancer, node or rule lies on.
 * If one of these ever drops, the harness itself is at fault.
 */
class ControlConnection implements Socket {
  private handlers: SocketHandlers | undefined;

  constructor(clock: VirtualClock, handlers: SocketHandlers) {
    this.handlers = handlers;
    clock.after(0, () => this.handlers?.opened(CONTROL));
  }

  ping(): void {
    this.handlers?.answered();
  }

  close(): void {
    this.handlers = undefined;
  }

  destroy(): void {
    this.handlers = undefined;
  }
}

/** An attempt to reach a name that stands for no address. */
class Nowhere implements Socket {
  private readonly timer: Disposable;

  constructor(clock: VirtualClock, handlers: SocketHandlers, why: string) {
    this.timer = clock.after(0, () => handlers.closed({ how: 'refused', why }));
  }

  ping(): void {}

  close(): void {
    this.timer[Symbol.dispose]();
  }

  destroy(): void {
    this.timer[Symbol.dispose]();
  }
}
