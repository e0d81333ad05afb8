import type { V1Node } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';
import type { Event } from '../../../harness/contracts/event.ts';
import type { ObjectOf } from '../../../harness/contracts/kube.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import { BalancerDriver } from '../../control-plane/balancer/balancer-driver.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import { healthCheck } from '../../control-plane/balancer/load-balancer.ts';
import type { BalancerContext } from '../../control-plane/context.ts';
import type { Watcher } from '../../control-plane/store/store.ts';
import { checkHealth } from '../api/health-check.ts';
import { nodeAddress } from '../api/views.ts';
import type { KubernetesCluster } from '../kubernetes-cluster.ts';
import { nodesWithEndpoints } from './entrance.ts';

/**
 * A balancer of the axis in front of a real cluster that has none: the pool model of the embedded
 * control plane, driven by real Services, Nodes and health-check ports. `program` puts into force what the pools
 * say, wherever the packets pass; a Service's address must stand in its `loadBalancerIP`.
 */
export class PassthroughBalancer implements Disposable {
  private readonly driver: BalancerDriver;
  private readonly cluster: KubernetesCluster;

  constructor(
    cluster: KubernetesCluster,
    options: {
      readonly axes: Axes;
      readonly random: Random;
      record(event: Event): void;
      program(programs: readonly BalancerProgram[]): Promise<void>;
    },
  ) {
    this.cluster = cluster;
    const { clock } = cluster;
    const node = (name: string) =>
      cluster.observer.all('Node').find(({ metadata }) => metadata?.name === name);
    const context: BalancerContext = {
      clock,
      axes: options.axes,
      random: options.random,
      store: watchedStore(cluster),
      machine: {
        programBalancer: (programs) => options.program(programs),
        checkHealth({ node: name, address, port, by }, timeout, done) {
          const host = address ?? nodeAddress(node(name));
          if (host === undefined) clock.after(timeout, () => done(false));
          else checkHealth(clock, { host, port, timeout, by }, done);
        },
      },
      record: (event) => options.record({ at: clock.now(), ...event }),
      fail: (error) => cluster.fail(error),
    };
    this.driver = new BalancerDriver(context);
  }

  /**
   * Whether every health check says what it will keep saying: connections that are opened before a pool has found
   * its healthy backends would be moved while it does.
   */
  isSettled(service: string): boolean {
    const pool = this.driver.pool(service);
    if (pool === undefined || !this.driver.isCurrent(service)) return false;
    const carrying = nodesWithEndpoints(service, this.cluster.observer.all('EndpointSlice'));
    const members = pool.backends.filter(({ leaving }) => leaving === undefined);
    return members.every((member) => {
      const asks = healthCheck(pool, member)?.asks;
      const should =
        asks === 'health-check-node-port'
          ? carrying.has(member.node)
          : asks !== 'traffic-port' || carrying.size > 0;
      return member.healthy === should;
    });
  }

  [Symbol.dispose](): void {
    this.driver[Symbol.dispose]();
  }
}

/** What is watched of a real cluster, as the store of an embedded one: only its nodes that clouds would balance to. */
function watchedStore(cluster: KubernetesCluster): BalancerContext['store'] {
  const { observer, kube } = cluster;
  return {
    get: (kind, name) =>
      observer.all(kind as 'Service').find(({ metadata }) => metadata?.name === name) as
        | ObjectOf<typeof kind>
        | undefined,
    list: (kind) =>
      observer.all(kind as 'Node').filter((node) => kind !== 'Node' || isBackend(node)) as ObjectOf<
        typeof kind
      >[],
    // The only thing that a balancer ever changes is a Service's status.
    update(kind, name, change) {
      const existing = this.get(kind, name);
      if (existing === undefined) throw new TypeError(`${kind} ${name} is not there`);
      const changed = change(existing);
      const { status } = changed as { status?: object };
      kube.patchStatus(kind, name, status ?? {}).catch((error) => cluster.fail(error));
      return changed;
    },
    watch(watcher: Watcher) {
      for (const kind of ['Service', 'Node', 'EndpointSlice'] as const)
        observer.on(kind, {
          changed: (object, before) => watcher(before === undefined ? 'added' : 'modified', object, before),
          gone: (object) => watcher('deleted', object, object),
        });
      return { [Symbol.dispose]() {} };
    },
  };
}

/** Control-plane nodes take no traffic from a cloud's balancers (service-controller, `node-role...` and exclude labels). */
export function isBackend({ metadata }: V1Node): boolean {
  const labels = metadata?.labels ?? {};
  return !(
    'node-role.kubernetes.io/control-plane' in labels ||
    'node-role.kubernetes.io/master' in labels ||
    'node.kubernetes.io/exclude-from-external-load-balancers' in labels
  );
}
