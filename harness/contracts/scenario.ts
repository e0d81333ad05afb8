import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import type { Millis } from '../time/duration.ts';
import type { Axes, AxisName } from './axes.ts';
import type { Capability, Power } from './cluster.ts';
import type { Kube } from './kube.ts';
import type { Requirement } from './requirements.ts';
import type { Version, Workload } from './workload.ts';

/** What a strategy works with: the cluster's Kubernetes objects, the axes of its cell, and time. */
export interface Stage {
  readonly axes: Axes;
  readonly kube: Kube;
  /** Manifests of the gateway under test. */
  readonly workload: Workload;
  /** One step of the runbook: logged with begin and end, shaded in the report. From a `cutOver` step's begin on, new connections should land on v2. */
  step<T>(name: string, act: () => Promise<T>, options?: { cutOver?: boolean; fault?: boolean }): Promise<T>;
  /** Lets model time pass. @throws InterruptedError when the release is interrupted. */
  sleep(time: Millis): Promise<void>;
  /** Waits until `check` holds, asking once a model second. @throws NotReachedError after `limit` (10 minutes unless said). */
  until(what: string, check: () => Promise<boolean>, limit?: Millis): Promise<void>;
  /**
   * Waits until a Deployment has rolled out: observed, updated, ready and nothing old left.
   * @throws ReleaseFailedError as soon as the cluster says that a pod of it cannot start, or when none is ready in time.
   */
  rolledOut(deployment: string, limit?: Millis): Promise<void>;
  /**
   * Puts an ingress controller before the gateways and the Service under test before it; where the cluster has a
   * controller of its own that one serves, and its way in takes the Service's place.
   */
  putInFront(controller: V1Deployment, selector: Record<string, string>): Promise<void>;
  /** Pods of a version that are not being deleted. */
  pods(version: Version): Promise<V1Pod[]>;
  /** Those of them whose gateway runs: they can be called, and may hold clients. */
  running(version: Version): Promise<V1Pod[]>;
  /**
   * POST to the admin port of one pod. False where it turns out that the pod is going, does not run or has lost its
   * node: then it holds nobody who could be told anything. @throws HarnessError when it runs and does not answer 2xx.
   */
  call(pod: string, path: string): Promise<boolean>;
  /**
   * Evicts a pod for whoever (`by`) removes its node, or, `forced`, deletes it without asking; logs what came of it. A
   * pod gets its own grace period, but at most `cap`. False while a budget forbids it.
   */
  evict(
    pod: V1Pod,
    options: { readonly by: string; readonly cap: Millis | null; readonly forced?: boolean },
  ): Promise<boolean>;
  /** The switches of the cluster's machines. @throws HarnessError where it offers no `node-power`. */
  readonly power: Power;
  /** Waits until clients can reach a Service through its load balancer. @throws NotReachedError. */
  reachable(service: string, limit?: Millis): Promise<void>;
  /** Changes the DNS record that clients dial: it names this Service's load balancer from now on; each client follows within `dnsTtl`. */
  point(service: string): void;
}

/** A way to release: reads like the runbook that it tests. Names no cluster. */
export interface Strategy {
  readonly name: string;
  /** The question that a run of it answers, in one sentence. */
  readonly question: string;
  /** What it needs of a cluster; of the axes where they decide, such as which API its routes are written in. */
  readonly needs: readonly Capability[] | ((axes: Axes) => readonly Capability[]);
  /** What it asks of whoever releases this way, beyond a cluster: of room, the gateway, the path to it, the clients. */
  requires(axes: Axes): readonly Requirement[];
  /** Axes that only some strategies heed, of those that this one does; all heed the others. */
  readonly heeds?: readonly AxisName[];
  /** Axes that only others heed, with their names; known to those that stand in one table. */
  readonly ignores?: ReadonlyMap<AxisName, readonly string[]>;
  /** Axis values that this strategy is run with unless the user says otherwise, as typed on the command line; several separated by commas. */
  readonly defaults?: Partial<Record<keyof Axes, string>>;
  /** Axis values that a comparison of all strategies plays it with, in place of its defaults: what there is to choose in it. */
  readonly variants?: Partial<Record<keyof Axes, string>>;
  /** Puts v1 in service; the default is one Deployment a version and a Service that selects v1. */
  prepare?(stage: Stage): Promise<void>;
  /** v1 is serving all clients; bring v2 in, retire v1. */
  release(stage: Stage): Promise<void>;
  /** From wherever release was interrupted, back to v1. */
  rollback(stage: Stage): Promise<void>;
  /** Its clients open the new connection before they close the old one when the gateway asks them to go. */
  readonly makeBeforeBreak?: boolean;
  /** `experiment`: not a way to release but a question; its verdict says whether connections were lost. */
  readonly kind?: 'release' | 'experiment';
}

/** What a strategy needs of a cluster on these axes. */
export const needsOf = ({ needs }: Pick<Strategy, 'needs'>, axes: Axes): readonly Capability[] =>
  typeof needs === 'function' ? needs(axes) : needs;
