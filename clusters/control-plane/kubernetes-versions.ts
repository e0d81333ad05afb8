import type { Axes } from '../../harness/contracts/axes.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import type { Millis } from '../../harness/time/duration.ts';
import type { Vintage } from './kube-proxy/service-port.ts';

/** What a release of Kubernetes does differently from others, as far as a connection feels it. */
export interface KubernetesBehaviour {
  /**
   * When a probe's worker first looks: after a random part of its period, or at once when the pod is seen; then the
   * kubelet also triggers a readiness probe whenever it writes the status of a started container that is not ready.
   */
  readonly firstProbe: 'random-part-of-period' | 'triggered';
  /** Terminating pods stay in EndpointSlices, which tell whether they still serve. */
  readonly terminatingEndpoints: boolean;
  /** --node-monitor-grace-period of kube-controller-manager. */
  readonly nodeMonitorGrace: Millis;
  /** The kubelet knows init containers that go on running, and ends them after the pod's own containers. */
  readonly nativeSidecars: boolean;
  /** Values of a Service's trafficDistribution that the EndpointSlice controller turns into hints. */
  readonly trafficDistribution: readonly ('PreferClose' | 'PreferSameZone' | 'PreferSameNode')[];
  /** How kube-proxy reads Services and EndpointSlices, and which rules it makes of them. */
  readonly kubeProxy: Vintage;
  /** kube-proxy's /healthz fails on a node that the cluster autoscaler is about to delete. */
  readonly tellsLeaving: boolean;
  /** The cloud's controller leaves a node's readiness to the balancer's health checks. */
  readonly stableNodeSet: boolean;
  /** An autoscaler may have a tolerance of its own; the API drops it before. */
  readonly ownTolerance: boolean;
}

type Minor = Axes['kubernetes'];

/** The oldest release that is modelled. */
const FIRST: KubernetesBehaviour = {
  firstProbe: 'random-part-of-period',
  terminatingEndpoints: false,
  nodeMonitorGrace: 40_000,
  nativeSidecars: false,
  trafficDistribution: [],
  kubeProxy: '1.22',
  tellsLeaving: false,
  stableNodeSet: false,
  ownTolerance: false,
};

/** What changed with which release, oldest first; all that is on by default. */
const CHANGES: readonly { readonly since: Minor; readonly changes: Partial<KubernetesBehaviour> }[] = [
  // k8s pkg/kubelet/prober/{worker.go run, prober_manager.go UpdatePodStatus}: the wait is only for a kubelet that has
  // itself just started, and a container that is not ready is probed when its status is written.
  { since: '1.21', changes: { firstProbe: 'triggered' } },
  // KEP-1672: beta and on in 1.22.
  { since: '1.22', changes: { terminatingEndpoints: true } },
  // Today's chains, KUBE-EXT and KUBE-SVL (FACTS B2).
  { since: '1.24', changes: { kubeProxy: '1.24' } },
  // KEP-1669 (proxy terminating endpoints): beta and on in 1.26.
  { since: '1.26', changes: { kubeProxy: 'current' } },
  // KEP-3458: beta and on in 1.27.
  { since: '1.27', changes: { stableNodeSet: true } },
  // KEP-753: beta and on in 1.29, GA in 1.33.
  { since: '1.29', changes: { nativeSidecars: true } },
  // KEP-3836: beta and on in 1.30.
  { since: '1.30', changes: { tellsLeaving: true } },
  // KEP-4444: beta and on in 1.31, GA in 1.33.
  { since: '1.31', changes: { trafficDistribution: ['PreferClose'] } },
  // kube-controller-manager's NodeMonitorGracePeriod of 50 s.
  { since: '1.32', changes: { nodeMonitorGrace: 50_000 } },
  // KEP-3015: beta and on in 1.34, GA in 1.35.
  { since: '1.34', changes: { trafficDistribution: ['PreferClose', 'PreferSameZone', 'PreferSameNode'] } },
  // KEP-4951 (HPAConfigurableTolerance): beta and on in 1.35, GA in 1.37.
  { since: '1.35', changes: { ownTolerance: true } },
];

const minor = (version: Minor) => Number(version.split('.')[1]);

/** Why the rules of this dataplane in this release cannot be played, where they are not modelled. */
export function rulesNotHeld({ proxy, kubernetes }: Pick<Axes, 'proxy' | 'kubernetes'>): string | undefined {
  const found = dataplane(proxy);
  const since = found.mode === 'cilium' ? undefined : (found.since as Minor | undefined);
  if (since === undefined || minor(kubernetes) >= minor(since)) return undefined;
  return `the rules of kube-proxy's ${found.mode} mode are modelled as of Kubernetes ${since}: those of ${kubernetes} are others, or none; choose --kubernetes ${since} or newer`;
}

/** What this release of Kubernetes does. */
export const behaviourOf = (version: Minor): KubernetesBehaviour =>
  Object.assign(
    {},
    FIRST,
    ...CHANGES.filter(({ since }) => minor(since) <= minor(version)).map(({ changes }) => changes),
  );
