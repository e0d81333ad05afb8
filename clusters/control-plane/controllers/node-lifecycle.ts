import type { V1Node, V1Pod, V1Taint } from '@kubernetes/client-node';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { zoneOf } from '../addresses.ts';
import type { Context } from '../context.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import type { MachineNode } from '../machine.ts';
import { nameOf, timestamp } from '../store/objects.ts';
import { podCondition } from '../store/pods.ts';

/** What the control plane takes to see that a node is gone (kube-controller-manager and cloud-controller-manager defaults). */
const TIMES = {
  /** --node-monitor-period: how often the leases are looked at. */
  looks: 5000,
  /** cloud-node-lifecycle asks the cloud every 5 s whether the machine of a node that is not ready still exists. */
  deleted: { least: 0, most: 5000 },
  /** The toleration that admission gives to every pod for a node that cannot be reached (DefaultTolerationSeconds). */
  tolerated: 300_000,
  /** The pod garbage collector waits 40 s before it believes that a node is gone, and looks every 20 s. */
  collected: { least: 40_000, most: 60_000 },
} as const;

const UNREACHABLE: readonly V1Taint[] = (['NoSchedule', 'NoExecute'] as const).map((effect) => ({
  key: 'node.kubernetes.io/unreachable',
  effect,
}));

/** kubelet's --max-pods. */
const MAX_PODS = '110';

/** The Node object of a machine that is up and ready. */
export const readyNode = (node: MachineNode, now: Millis): V1Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: node.name,
    labels: { 'kubernetes.io/hostname': node.name, 'topology.kubernetes.io/zone': zoneOf(node.number) },
  },
  spec: { podCIDR: node.podCidr, podCIDRs: [node.podCidr] },
  status: {
    addresses: [{ type: 'InternalIP', address: node.address }],
    allocatable: { pods: MAX_PODS },
    capacity: { pods: MAX_PODS },
    conditions: [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: timestamp(now) },
    ],
  },
});

/** The controllers that find out about a node whose machine went without a goodbye. */
export class NodeLifecycle implements Disposable {
  private readonly context: Context;
  private readonly random: Random;
  private readonly timers = new Set<Disposable>();
  /** Of nodes without power: what the API does next about it. */
  private readonly waiting = new Map<string, Disposable>();

  constructor(context: Context) {
    this.context = context;
    this.random = context.random.fork('node-lifecycle');
  }

  /**
   * The machine is gone, its Node object still there: not ready at the first look after the node monitor's grace period
   * (40 s, since 1.32 50 s), then deleted, then its pods.
   */
  machineGone(name: string): void {
    const grace = behaviourOf(this.context.axes.kubernetes).nodeMonitorGrace;
    this.later({ least: grace, most: grace + TIMES.looks }, () => {
      this.markNotReady(name);
      this.later(TIMES.deleted, () => {
        if (this.context.store.get('Node', name) === undefined) return;
        this.context.store.remove('Node', name);
        this.nodeDeleted(name);
      });
    });
  }

  /**
   * The machine has lost power and still exists, its Node object too: not ready as above, and tainted unreachable. Its
   * pods are deleted 300 s after that, and stay as deleting pods, because no kubelet ends them (taint-eviction-controller).
   */
  powerLost(name: string): void {
    const { store, clock } = this.context;
    const grace = behaviourOf(this.context.axes.kubernetes).nodeMonitorGrace;
    const delay = this.random.integer(grace, grace + TIMES.looks + 1);
    const next = (after: Millis, act: () => void) => this.waiting.set(name, clock.after(after, act));
    next(delay, () => {
      this.markNotReady(name);
      this.taint(name, UNREACHABLE);
      next(TIMES.tolerated, () => {
        for (const pod of this.podsOn(name)) store.delete('Pod', nameOf(pod), clock.now());
      });
    });
  }

  /** The machine is back before all of that has happened, or after. */
  powerBack(name: string): void {
    this.waiting.get(name)?.[Symbol.dispose]();
    this.waiting.delete(name);
    this.taint(name, []);
  }

  /** The Node object is gone: its pods are collected 40 to 60 s later, without grace. */
  nodeDeleted(name: string): void {
    this.waiting.get(name)?.[Symbol.dispose]();
    this.waiting.delete(name);
    this.later(TIMES.collected, () => {
      if (this.context.store.get('Node', name) !== undefined) return;
      for (const pod of this.podsOn(name)) this.context.store.remove('Pod', nameOf(pod));
    });
  }

  [Symbol.dispose](): void {
    for (const timer of [...this.timers, ...this.waiting.values()]) timer[Symbol.dispose]();
  }

  /** Replaces the taints that this controller keeps. */
  private taint(name: string, taints: readonly V1Taint[]): void {
    if (this.context.store.get('Node', name) === undefined) return;
    this.context.store.update('Node', name, ({ spec: { taints: before = [], ...spec } = {}, ...node }) => {
      const kept = [...before.filter(({ key }) => UNREACHABLE[0]?.key !== key), ...taints];
      return { ...node, spec: kept.length > 0 ? { ...spec, taints: kept } : spec };
    });
  }

  private markNotReady(name: string): void {
    const { store, clock } = this.context;
    if (store.get('Node', name) === undefined) return;
    const lastTransitionTime = timestamp(clock.now());
    store.update('Node', name, (node) => ({
      ...node,
      status: {
        ...node.status,
        conditions: [{ type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', lastTransitionTime }],
      },
    }));
    for (const pod of this.podsOn(name)) {
      if (podCondition(pod, 'Ready')?.status !== 'True') continue;
      store.update('Pod', nameOf(pod), (current) => ({
        ...current,
        status: {
          ...current.status,
          conditions: (current.status?.conditions ?? []).map((condition) =>
            condition.type === 'Ready' ? { ...condition, status: 'False', lastTransitionTime } : condition,
          ),
        },
      }));
    }
  }

  private podsOn(node: string): V1Pod[] {
    return this.context.store.list('Pod').filter((pod) => pod.spec?.nodeName === node);
  }

  private later({ least, most }: { least: Millis; most: Millis }, act: () => void): void {
    const timer = this.context.clock.after(this.random.integer(least, most + 1), () => {
      this.timers.delete(timer);
      act();
    });
    this.timers.add(timer);
  }
}
