import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { InterruptedError, KubeError, NotReachedError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import { formatDuration, type Millis } from '../../../harness/time/duration.ts';
import { wallTime } from '../lease/wall-time.ts';
import { type Ailment, ailments, type SystemState, whereAndWhy, worstContainer } from './ailments.ts';
import type { ApiConnection } from './api-connection.ts';

/** What of kube-system has not become ready for so long, with nothing else becoming ready meanwhile, will not. */
const PATIENCE: Millis = 90_000;
/** Add-ons through which no client's path leads are waited for less long, and told then. */
const ADD_ON_PATIENCE: Millis = 30_000;
const LOOK_EVERY: Millis = 1000;

/** A container that has restarted must have run for so long: one that cannot live ends within a second. */
const STEADY: Millis = 10_000;
const CERTAINLY_STEADY: Millis = 10 * 60_000;

/** Pods whose last words are told of each workload, and how much of them. */
const TOLD_PODS = 3;
const LAST_LINES = 3;
const LONGEST = 300;
const LOG_LIMIT: Millis = 5000;

/** Looks at nodes and kube-system again and again, and knows which containers it has seen run for how long. */
export class SystemWatch {
  private readonly connection: ApiConnection;
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  /** When a container was first seen, by its id. */
  private readonly seen = new Map<string, Millis>();

  constructor(connection: ApiConnection, clock: Clock, signal: AbortSignal) {
    this.connection = connection;
    this.clock = clock;
    this.signal = signal;
  }

  /**
   * Resolves once every node, DaemonSet, Deployment and static pod of kube-system is ready, or only Deployments are not
   * and will not be, which is noted; says why nobody knows where they may not be read.
   * @throws NotReachedError naming what is not ready, where, and its last words; InterruptedError.
   */
  async whenWell(note: (text: string) => void): Promise<void> {
    let least = Number.POSITIVE_INFINITY;
    let since = this.clock.now();
    for (;;) {
      const found = await this.look(note);
      if (found.length === 0) return;
      const missing = found.reduce((sum, ailment) => sum + ailment.missing, 0);
      if (missing < least) {
        least = missing;
        since = this.clock.now();
      }
      const waited = this.clock.now() - since;
      if (waited >= ADD_ON_PATIENCE && found.every(({ isVital }) => !isVital))
        return note(`not ready, and not waited for any longer: ${await this.detail(found)}`);
      if (waited >= PATIENCE)
        throw new NotReachedError(
          `${await this.inWords(found)} (nothing became ready for ${formatDuration(PATIENCE)})`,
        );
      await this.clock.sleep(LOOK_EVERY, this.signal);
    }
  }

  /** What is not well now, in words; undefined where all is, or nobody may know. */
  async complaint(): Promise<string | undefined> {
    const found = await this.look(() => {});
    return found.some(({ isVital }) => isVital) ? this.inWords(found) : undefined;
  }

  private async look(note: (text: string) => void): Promise<Ailment[]> {
    const read = async <T>(path: string) => {
      const text = await this.connection.request('GET', path);
      return (JSON.parse(text) as { items?: T[] }).items ?? [];
    };
    try {
      const state: SystemState = {
        nodes: await read('/api/v1/nodes'),
        daemonSets: await read('/apis/apps/v1/namespaces/kube-system/daemonsets'),
        deployments: await read('/apis/apps/v1/namespaces/kube-system/deployments'),
        pods: await read('/api/v1/namespaces/kube-system/pods'),
      };
      return ailments(state, (container) => this.isSteady(container));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      note(`whether the cluster itself is well is not known: ${error.message}`);
      return [];
    }
  }

  private isSteady({ restartCount, containerID = '', state }: V1ContainerStatus): boolean {
    if (state?.running == null) return true;
    const since = this.seen.get(containerID) ?? this.clock.now();
    this.seen.set(containerID, since);
    if (restartCount === 0 || this.clock.now() - since >= STEADY) return true;
    // One that has run for long need not be watched, unless the clocks of here and there disagree.
    const begun = new Date(state.running.startedAt ?? 0).getTime();
    return wallTime().getTime() - begun >= CERTAINLY_STEADY;
  }

  private async inWords(found: readonly Ailment[]): Promise<string> {
    const text = await this.detail(found);
    return `the cluster itself is not well, which says nothing about the release: ${text}${mend(text)}`;
  }

  /** What is not ready, where, why, and its last words, on one line. */
  private async detail(found: readonly Ailment[]): Promise<string> {
    const parts: string[] = [];
    for (const { what, pods } of found) {
      const words = [];
      for (const pod of pods.slice(0, TOLD_PODS))
        words.push(`${whereAndWhy(pod)}${await this.lastWords(pod)}`);
      if (pods.length > TOLD_PODS) words.push(`and ${pods.length - TOLD_PODS} more`);
      parts.push([what, ...words].join(', '));
    }
    return plain(parts.join('; '));
  }

  /** Of the container that has ended before this one, or else of this one. */
  private async lastWords(pod: V1Pod): Promise<string> {
    const container = worstContainer(pod);
    if (container === undefined) return '';
    const path = `/api/v1/namespaces/kube-system/pods/${pod.metadata?.name}/log`;
    for (const previous of ['true', 'false']) {
      const query = { container, previous, tailLines: String(LAST_LINES) };
      const said = await this.within(LOG_LIMIT, this.connection.request('GET', path, { query, once: true }));
      if (said.trim() !== '') return `, last words "${said.trim().slice(-LONGEST)}"`;
    }
    return '';
  }

  /** What was read, or nothing where it may not be, or not in time. */
  private async within(limit: Millis, reading: Promise<string>): Promise<string> {
    const enough = new AbortController();
    try {
      return await Promise.race([reading, this.clock.sleep(limit, enough.signal).then(() => '')]);
    } catch (error) {
      if (error instanceof InterruptedError) throw error;
      return '';
    } finally {
      enough.abort();
    }
  }
}

/** One line without control characters, for a terminal. */
const plain = (text: string) => text.replaceAll(/\p{Cc}+/gu, ' ');

/** What containers say for want of inotify instances or watches, as a node's user has them (kind, known issues). */
const mend = (text: string) =>
  /too many open files|inotify|no space left on device/i.test(text)
    ? '; where it is inotify that a node has too little of: sudo sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288'
    : '';
