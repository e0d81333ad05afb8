import type { V1Node } from '@kubernetes/client-node';
import type { Power } from '../../harness/contracts/cluster.ts';
import { HarnessError, KubeError } from '../../harness/errors.ts';
import type { Millis } from '../../harness/time/duration.ts';
import type { KubernetesCluster } from '../kubernetes/kubernetes-cluster.ts';
import type { OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import { type KindCluster, markComplete, succeeds } from './kind-cluster.ts';

/** How long a node may take to be ready again. */
const READY_WITHIN: Millis = 180_000;
const LOOK_EVERY: Millis = 1000;

/**
 * The power of a kind cluster's workers, as the rest of the world meets it: a worker without power has no network, so
 * that nothing it still does gets out, and comes back with the routes and the Node that it had. In the end all workers'
 * Nodes are as they were, for the next cell.
 */
export class NodePower implements Power, AsyncDisposable {
  private readonly kind: Pick<KindCluster, 'name' | 'workers'>;
  private readonly run: OwnedCommand;
  private readonly cluster: Pick<KubernetesCluster, 'clock' | 'observer'>;
  /** The routes of each worker that is off. */
  private readonly dark = new Map<string, readonly string[]>();
  /** The workers' Nodes when the cell began. */
  private were: readonly V1Node[] = [];

  private constructor(
    kind: Pick<KindCluster, 'name' | 'workers'>,
    run: OwnedCommand,
    cluster: Pick<KubernetesCluster, 'clock' | 'observer'>,
  ) {
    this.kind = kind;
    this.run = run;
    this.cluster = cluster;
  }

  /** `run` goes on after the run was asked to end. */
  static async open(
    kind: Pick<KindCluster, 'name' | 'workers'>,
    run: OwnedCommand,
    cluster: Pick<KubernetesCluster, 'clock' | 'observer'>,
  ): Promise<NodePower> {
    const power = new NodePower(kind, run, cluster);
    power.were = await power.nodes();
    return power;
  }

  async off(node: string): Promise<void> {
    if (!this.kind.workers.some(({ name }) => name === node))
      throw new KubeError('NotFound', `Node "${node}" is no worker of ${this.kind.name}`);
    if (this.dark.has(node)) return;
    // A run that is killed from here on leaves a cluster that no other must take for whole.
    await markComplete(this.kind.name, this.run, false);
    const routes = await this.in(node, ['ip', '-4', 'route', 'show', 'dev', 'eth0']);
    this.dark.set(
      node,
      routes.split('\n').filter((route) => route.trim() !== '' && !route.includes('proto kernel')),
    );
    await this.in(node, ['ip', 'link', 'set', 'eth0', 'down']);
    this.cluster.observer.seen({ type: 'node', node, change: 'off' });
  }

  async on(): Promise<void> {
    for (const [node, routes] of this.dark) {
      await this.in(node, ['ip', 'link', 'set', 'eth0', 'up']);
      for (const route of routes)
        await this.in(node, ['ip', 'route', 'replace', ...route.trim().split(/\s+/), 'dev', 'eth0']);
      const before = this.were.find(({ metadata }) => metadata?.name === node);
      if (before !== undefined && !(await succeeds(this.kubectl(['get', 'node', node]))))
        await this.kubectl(['create', '--filename', '-'], JSON.stringify(anew(before)));
      // It registers its node when it starts, and at no other time.
      await this.in(node, ['systemctl', 'restart', 'kubelet']);
      await this.ready(node);
      this.dark.delete(node);
      this.cluster.observer.seen({ type: 'node', node, change: 'on' });
    }
    await markComplete(this.kind.name, this.run, true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.dark.size > 0) await this.on();
    const now = await this.nodes();
    for (const before of this.were) {
      const change = difference(
        before,
        now.find(({ metadata }) => metadata?.name === before.metadata?.name),
      );
      if (change !== undefined)
        await this.kubectl([
          ...['patch', 'node', before.metadata?.name ?? '', '--type', 'merge'],
          ...['--patch', JSON.stringify(change)],
        ]);
    }
  }

  private async nodes(): Promise<V1Node[]> {
    const names = this.kind.workers.map(({ name }) => name);
    const { items } = JSON.parse(await this.kubectl(['get', 'nodes', '--output', 'json'])) as {
      items: V1Node[];
    };
    return items.filter(({ metadata }) => names.includes(metadata?.name ?? ''));
  }

  /** The API may still believe what it last heard of it. */
  private async ready(node: string): Promise<void> {
    const { clock } = this.cluster;
    const deadline = clock.now() + READY_WITHIN;
    const words = ['wait', '--for=condition=Ready', `node/${node}`, '--timeout=5s'];
    while (!(await succeeds(this.kubectl(words)))) {
      if (clock.now() >= deadline)
        throw new HarnessError(
          `node ${node} was switched on and is not ready after ${READY_WITHIN / 1000} s`,
        );
      await clock.sleep(LOOK_EVERY);
    }
  }

  private kubectl(words: readonly string[], input = ''): Promise<string> {
    const admin = ['kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];
    return this.in(`${this.kind.name}-control-plane`, [...admin, ...words], input);
  }

  private in(container: string, words: readonly string[], input = ''): Promise<string> {
    return this.run('docker', ['exec', '--interactive', container, ...words], { input });
  }
}

/** A Node as it can be made anew: with the same addresses for its pods, which the others have routes to. */
function anew({ metadata, spec }: V1Node): object {
  const { name, labels, annotations } = metadata ?? {};
  const { podCIDR, podCIDRs, providerID } = spec ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels, annotations },
    spec: { podCIDR, podCIDRs, providerID },
  };
}

/** What a merge patch takes off a Node that was put on it since: labels, a cordon, taints. */
function difference({ metadata }: V1Node, now: V1Node | undefined): object | undefined {
  const before = metadata?.labels ?? {};
  const added = Object.keys(now?.metadata?.labels ?? {}).filter((label) => !(label in before));
  if (added.length === 0 && now?.spec?.unschedulable !== true && now?.spec?.taints === undefined)
    return undefined;
  return {
    metadata: { labels: Object.fromEntries(added.map((label) => [label, null])) },
    spec: { unschedulable: null, taints: null },
  };
}
