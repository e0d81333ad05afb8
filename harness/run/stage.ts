import type { V1Pod } from '@kubernetes/client-node';
import { clientProtocol } from '../config/client-protocol.ts';
import { ownAdminPath } from '../config/own-gateway.ts';
import type { Axes } from '../contracts/axes.ts';
import { timeRange } from '../contracts/axis-kinds.ts';
import type { Cluster } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import type { TimedEvent } from '../contracts/event.ts';
import type { Kube } from '../contracts/kube.ts';
import type { Stage } from '../contracts/scenario.ts';
import { HarnessError, KubeError, NotReachedError, ReleaseFailedError } from '../errors.ts';
import type { Millis } from '../time/duration.ts';
import { formatDuration } from '../time/duration.ts';
import { heed } from '../time/heed.ts';
import { isGateway, workload } from '../workload/workload.ts';
import { whyNotReady, whyNotStarting } from './not-starting.ts';

export type Phase = Extract<TimedEvent, { type: 'step' }>['phase'];

const POLL: Millis = 1000;
const PATIENCE: Millis = 600_000;
/** How often pods are asked whether they can start at all. */
const LOOK: Millis = 5000;

/** By then the API knows of a node that is gone: 50 s without a heartbeat, found out within 5 s (Kubernetes 1.32). */
const NODE_MISSED: Millis = 60_000;

/** The user's own gateway on a cluster that runs it. */
export interface OwnStage {
  readonly config: Config;
  readonly runs: 'command' | 'image';
}

/** The stage on which one phase of a strategy plays; once `signal` is aborted, its next wait ends with InterruptedError. */
export function createStage(
  cluster: Cluster,
  axes: Axes,
  phase: Phase,
  signal: AbortSignal,
  record: (event: TimedEvent) => void,
  point: (service: string) => void,
  own?: OwnStage,
): Stage {
  const { clock, kube } = cluster;
  /** A rollout of pods that start slowly, one after the other in the worst case. */
  const rollout = PATIENCE + axes.pods * (timeRange(axes.podStart).most + axes.minReady);
  /** Pods whose eviction was refused before. */
  const refused = new Set<string>();
  const stage: Stage = {
    axes,
    kube,
    workload: workload(
      axes,
      own && {
        gateway: own.config.gateway,
        runs: own.runs,
        ...(cluster.podTemplates === undefined ? {} : { podTemplates: cluster.podTemplates }),
      },
    ),
    async step(name, act, options = {}) {
      signal.throwIfAborted();
      record({ type: 'step', name, edge: 'begin', phase, ...options });
      const result = await act();
      record({ type: 'step', name, edge: 'end', phase, ...options });
      return result;
    },
    sleep: (time) => clock.sleep(time, signal),
    async until(what, check, limit = PATIENCE) {
      const deadline = clock.now() + limit;
      while (!(await heed(check(), signal))) {
        if (clock.now() >= deadline)
          throw new NotReachedError(`${what}: not so within ${formatDuration(limit)}`);
        await clock.sleep(POLL, signal);
      }
    },
    async rolledOut(name, limit = rollout) {
      const begun = clock.now();
      const redact = (text: string) => (own === undefined ? text : clientProtocol(own.config).redact(text));
      const what = `Deployment ${name} is rolled out`;
      let pods: V1Pod[] = [];
      let looked = begun;
      const check = async () => {
        const deployment = await kube.get('Deployment', name);
        const { replicas = 1, selector } = deployment?.spec ?? {};
        const { status, metadata } = deployment ?? {};
        if (
          (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 1) &&
          (status?.updatedReplicas ?? 0) === replicas &&
          (status?.replicas ?? 0) === replicas &&
          (status?.readyReplicas ?? 0) === replicas
        )
          return true;
        if (clock.now() - looked < LOOK) return false;
        looked = clock.now();
        pods = selector?.matchLabels === undefined ? [] : await kube.list('Pod', selector.matchLabels);
        const why = whyNotStarting(pods, clock.now() - begun);
        if (why !== undefined) throw new ReleaseFailedError(redact(`Deployment ${name}: ${why}`));
        return false;
      };
      try {
        await stage.until(what, check, limit);
      } catch (error) {
        const why = error instanceof NotReachedError ? whyNotReady(pods) : undefined;
        throw why === undefined
          ? error
          : new ReleaseFailedError(redact(`${(error as Error).message}: ${why}`));
      }
    },
    async putInFront(controller, selector) {
      if (cluster.hasIngressController) return;
      await kube.apply(controller);
      await stage.rolledOut(controller.metadata?.name ?? '');
      await kube.apply(stage.workload.loadBalancer(selector));
    },
    pods: async (version) =>
      (await kube.list('Pod', { app: 'gateway', version })).filter(
        ({ metadata }) => metadata?.deletionTimestamp === undefined,
      ),
    running: async (version) => (await stage.pods(version)).filter(runs),
    async call(name, path) {
      const asked = own === undefined ? path : ownAdminPath(own.config, path);
      const deadline = clock.now() + NODE_MISSED;
      for (;;) {
        try {
          await heed(cluster.call(name, asked), signal);
          return true;
        } catch (error) {
          if (!(await canAnswer(cluster.kube, name))) return false;
          if (!(error instanceof HarnessError) || clock.now() >= deadline) throw error;
        }
        await clock.sleep(POLL, signal);
      }
    },
    async evict(pod, { by, cap, forced = false }) {
      const name = pod.metadata?.name ?? '';
      const own = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
      const grace = Math.min(own, cap ?? own);
      const cut = grace < own ? { cutTo: grace } : {};
      const told = (outcome: 'granted' | 'refused' | 'forced') =>
        record({ type: 'eviction', pod: name, node: pod.spec?.nodeName ?? '', by, outcome, ...cut });
      const options = grace < own ? { gracePeriod: grace } : {};
      try {
        await (forced ? kube.delete('Pod', name, options) : kube.evict(name, options));
      } catch (error) {
        if (!(error instanceof KubeError && error.reason === 'TooManyRequests')) throw error;
        if (!refused.has(name)) told('refused');
        refused.add(name);
        return false;
      }
      told(forced ? 'forced' : 'granted');
      return true;
    },
    get power() {
      if (cluster.power === undefined)
        throw new HarnessError('this cluster has no switches for the machines of its nodes');
      return cluster.power;
    },
    reachable: (service, limit = PATIENCE) => cluster.reachable(service, limit, signal),
    point,
  };
  return stage;
}

/** The pod stays, and its gateway's process runs. */
function runs({ metadata, spec, status }: V1Pod): boolean {
  const containers = spec?.containers ?? [];
  const gateway = (containers.find(isGateway) ?? containers[0])?.name;
  return (
    metadata?.deletionTimestamp === undefined &&
    (status?.containerStatuses?.some(({ name, state }) => name === gateway && state?.running !== undefined) ??
      false)
  );
}

/** A pod that did not answer is there still, runs, and has a node that is ready. */
async function canAnswer(kube: Kube, name: string): Promise<boolean> {
  const pod = await kube.get('Pod', name);
  if (pod === undefined || !runs(pod)) return false;
  const node = await kube.get('Node', pod.spec?.nodeName ?? '');
  return node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
