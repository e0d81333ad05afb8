import type { V1ContainerStatus, V1DaemonSet, V1Deployment, V1Node, V1Pod } from '@kubernetes/client-node';
import { isReady } from './views.ts';

/** What of a cluster must be well before anything that is measured on it says something about a release. */
export interface SystemState {
  readonly nodes: readonly V1Node[];
  /** All of kube-system. */
  readonly daemonSets: readonly V1DaemonSet[];
  readonly deployments: readonly V1Deployment[];
  readonly pods: readonly V1Pod[];
}

/** A node or workload that is not ready, in words, and its pods that are not. */
export interface Ailment {
  readonly what: string;
  /** Connections and endpoints depend on it: nodes, their agents, the control plane. Deployments are add-ons, as a DNS server. */
  readonly isVital: boolean;
  /** How many pods are missing, or 1 for a node; less of it is progress. */
  readonly missing: number;
  readonly pods: readonly V1Pod[];
}

/**
 * What is not ready: nodes, DaemonSets and Deployments of kube-system, and its static pods. `steady` says whether a
 * container that has restarted can be trusted to go on: one that ends at once, again and again, is ready in between.
 */
export function ailments(state: SystemState, steady: (container: V1ContainerStatus) => boolean): Ailment[] {
  const well = (pod: V1Pod) =>
    conditionOf(pod, 'Ready')?.status === 'True' && (pod.status?.containerStatuses ?? []).every(steady);
  const sick = state.pods.filter(
    (pod) => pod.metadata?.deletionTimestamp == null && pod.status?.phase !== 'Succeeded' && !well(pod),
  );
  const workload = (kind: string, name: string, ready: number, wanted: number, pods: V1Pod[]): Ailment[] => {
    const missing = Math.max(wanted - ready, pods.length);
    if (missing <= 0) return [];
    return [
      {
        what: `${kind} ${name}: ${missing} of ${wanted} pods not ready`,
        missing,
        pods,
        isVital: kind !== 'Deployment',
      },
    ];
  };
  return [
    ...state.nodes
      .filter((node) => !isReady(node))
      .map((node) => ({
        what: `node ${nameOf(node)} is not ready${messageOf(node)}`,
        missing: 1,
        pods: [],
        isVital: true,
      })),
    ...state.daemonSets.flatMap((set) => {
      const { desiredNumberScheduled = 0, numberReady = 0 } = set.status ?? {};
      const own = sick.filter((pod) => isOwnedBy(pod, 'DaemonSet', (owner) => owner === nameOf(set)));
      return workload('DaemonSet', nameOf(set), numberReady, desiredNumberScheduled, own);
    }),
    ...state.deployments.flatMap((deployment) => {
      const { replicas = 1 } = deployment.spec ?? {};
      const ofSet = new RegExp(`^${nameOf(deployment).replaceAll('.', '\\.')}-[a-z0-9]+$`);
      const own = sick.filter((pod) => isOwnedBy(pod, 'ReplicaSet', (owner) => ofSet.test(owner)));
      return workload('Deployment', nameOf(deployment), deployment.status?.readyReplicas ?? 0, replicas, own);
    }),
    ...sick
      .filter((pod) => isOwnedBy(pod, 'Node', () => true))
      .map((pod) => ({
        what: `static pod ${nameOf(pod)} is not ready`,
        missing: 1,
        pods: [pod],
        isVital: true,
      })),
  ];
}

/** Where a pod is and what its containers, or else its conditions, say of why it is not ready. */
export function whereAndWhy(pod: V1Pod): string {
  const containers = (pod.status?.containerStatuses ?? []).flatMap(({ state, lastState, restartCount }) => {
    const { waiting } = state ?? {};
    const ended = state?.terminated ?? lastState?.terminated;
    return [
      ...(waiting == null ? [] : [[waiting.reason, waiting.message].filter(Boolean).join(', ')]),
      ...(ended == null ? [] : [`ended with exit code ${ended.exitCode} (${ended.reason ?? 'no reason'})`]),
      ...(restartCount > 0 ? [`restarted ${restartCount} times`] : []),
    ];
  });
  const scheduled = conditionOf(pod, 'PodScheduled');
  const why = scheduled?.status === 'False' ? [scheduled.message ?? 'not scheduled'] : containers;
  return `${nameOf(pod)} on ${pod.spec?.nodeName ?? 'no node'}${why.length === 0 ? '' : `: ${why.join('; ')}`}`;
}

/** The container whose words tell the most: one that has ended or waits, or else the first. */
export function worstContainer({ spec, status }: V1Pod): string | undefined {
  const worst = status?.containerStatuses?.find(
    ({ state, lastState }) => state?.running == null || lastState?.terminated != null,
  );
  return worst?.name ?? spec?.containers[0]?.name;
}

const nameOf = ({ metadata }: V1Node | V1Pod | V1DaemonSet | V1Deployment) => metadata?.name ?? '';

const conditionOf = (pod: V1Pod, wanted: string) =>
  pod.status?.conditions?.find(({ type }) => type === wanted);

const isOwnedBy = (pod: V1Pod, wanted: string, is: (owner: string) => boolean) =>
  (pod.metadata?.ownerReferences ?? []).some(({ kind, name }) => kind === wanted && is(name));

function messageOf({ status }: V1Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.message ? ` (${ready.message})` : '';
}
