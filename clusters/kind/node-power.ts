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
 * that nothing it still does gets out, and comes back with the routes it had and a kubelet that registers it anew.
 */
export class NodePower implements Power, AsyncDisposable {
  private readonly kind: Pick<KindCluster, 'name' | 'workers'>;
  private readonly run: OwnedCommand;
  private readonly cluster: Pick<KubernetesCluster, 'clock' | 'observer'>;
  /** The routes of each worker that is off. */
  private readonly dark = new Map<string, readonly string[]>();

  /** `run` goes on after the run was asked to end. */
  constructor(
    kind: Pick<KindCluster, 'name' | 'workers'>,
    run: OwnedCommand,
    cluster: Pick<KubernetesCluster, 'clock' | 'observer'>,
  ) {
    this.kind = kind;
    this.run = run;
    this.cluster = cluster;
  }

  async off(node: string): Promise<void> {
    if (!this.kind.workers.some(({ name }) => name === node))
      throw new KubeError('NotFound', `Node "${node}" is no worker of ${this.kind.name}`);
    if (this.dark.has(node)) return;
    // A run that is killed from here on leaves a cluster that no other must take for whole.
    await markComplete(this.kind.name, this.run, false);
    const routes = await this.in(node, 'ip', '-4', 'route', 'show', 'dev', 'eth0');
    this.dark.set(
      node,
      routes.split('\n').filter((route) => route.trim() !== '' && !route.includes('proto kernel')),
    );
    await this.in(node, 'ip', 'link', 'set', 'eth0', 'down');
    this.cluster.observer.seen({ type: 'node', node, change: 'off' });
  }

  async on(): Promise<void> {
    for (const [node, routes] of this.dark) {
      await this.in(node, 'ip', 'link', 'set', 'eth0', 'up');
      for (const route of routes)
        await this.in(node, 'ip', 'route', 'replace', ...route.trim().split(/\s+/), 'dev', 'eth0');
      await this.in(node, 'systemctl', 'restart', 'kubelet');
      await this.ready(node);
      this.dark.delete(node);
      this.cluster.observer.seen({ type: 'node', node, change: 'on' });
    }
    await markComplete(this.kind.name, this.run, true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.dark.size > 0) await this.on();
  }

  /** Its Node may have been deleted, and the API may still believe what it last heard of it. */
  private async ready(node: string): Promise<void> {
    const { clock } = this.cluster;
    const deadline = clock.now() + READY_WITHIN;
    const kubectl = ['kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];
    const words = ['wait', '--for=condition=Ready', `node/${node}`, '--timeout=5s'];
    while (!(await succeeds(this.in(`${this.kind.name}-control-plane`, ...kubectl, ...words)))) {
      if (clock.now() >= deadline)
        throw new HarnessError(
          `node ${node} was switched on and is not ready after ${READY_WITHIN / 1000} s`,
        );
      await clock.sleep(LOOK_EVERY);
    }
  }

  private in(container: string, ...words: string[]): Promise<string> {
    return this.run('docker', ['exec', container, ...words]);
  }
}
