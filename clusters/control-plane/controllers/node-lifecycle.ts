import type { V1Node, V1Pod } from '@kubernetes/client-node';
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
  /** The pod garbage collector waits 40 s before it believes that a node is gone, and looks every 20 s. */
  collected: { least: 40_000, most: 60_000 },
} as const;

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

  /** The Node object is gone: its pods are collected 40 to 60 s later, without grace. */
  nodeDeleted(name: string): void {
    this.later(TIMES.collected, () => {
      if (this.context.store.get('Node', name) !== undefined) return;
      for (const pod of this.podsOn(name)) this.context.store.remove('Pod', nameOf(pod));
    });
  }

  [Symbol.dispose](): void {
    for (const timer of this.timers) timer[Symbol.dispose]();
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
