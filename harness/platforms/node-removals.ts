import type { Millis } from '../time/duration.ts';
import type { Platform } from './platform.ts';
import { documented, inferred, observed, read, unproven } from './properties.ts';

/** What is written on a node before its pods go, as an actor writes it. */
interface NodeMarks {
  /** The cordon. */
  readonly unschedulable?: true;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly { readonly key: string; readonly effect: 'NoSchedule' }[];
}

/** Where whoever removes a node loses patience. */
interface Limit {
  /** Counted from the first eviction. */
  readonly after: Millis;
  /** What it has waited for in vain: that every eviction is granted, or that every pod has left. */
  readonly of: 'evictions' | 'departures';
  /** The node is saved; its pods are deleted with the least grace, then its machine goes; or the machine goes with them. */
  readonly outcome: 'node-stays' | 'pods-are-deleted' | 'machine-goes';
}

/** Who removes a node that carries pods, and how: the scenario reads this and never asks who it is. */
export interface NodeRemoval extends Platform {
  readonly marks: NodeMarks;
  /** From the marks to the first eviction. */
  readonly evictsAfter: Millis;
  /** Whether each pod is asked for by the Eviction API, which heeds budgets, or goes without. */
  readonly asks: 'eviction' | 'nobody';
  /** The most grace that a pod is granted; null: its own. */
  readonly cap: Millis | null;
  /** Waits between tries of an eviction that was refused, doubling from the first. */
  readonly retry: { readonly first: Millis; readonly most: Millis };
  /** Null: none, it waits for ever. */
  readonly limit: Limit | null;
  /** From the last pod's end to the machine's. */
  readonly lingers: Millis;
}

const EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers';

const EKS_PHASES = 'Amazon EKS user guide, Understand each phase of node updates';

const KARPENTER_MARKS: NodeMarks = {
  labels: { [EXCLUDE]: 'karpenter' },
  taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }],
};

const KARPENTER_EVICTS = read(
  'an exclude label takes the node out of load balancers, a taint keeps pods away; a refused eviction is tried again after 100 ms, doubling to 10 s; the instance goes at least 5 s after the last pod',
  'kubernetes-sigs/karpenter pkg/controllers/node/termination, 2266468',
);

/** Who removes nodes, by the value of the axis `by`. */
export const NODE_REMOVALS = {
  kubectl: {
    title: 'kubectl drain, and then the machine is deleted',
    versions: 'all versions of kubectl; no vendor',
    properties: [
      read(
        'the node is cordoned; a refused eviction is tried again every 5 s, without an end (--timeout 0)',
        'kubernetes/kubectl pkg/drain/drain.go evictPods',
      ),
      documented(
        'pods get their own grace period, however long (--grace-period -1)',
        'Kubernetes, Safely Drain a Node',
      ),
      inferred(
        'whoever drained deletes the machine as soon as the command returns',
        'kubectl itself deletes nothing',
      ),
    ],
    marks: { unschedulable: true },
    evictsAfter: 0,
    asks: 'eviction',
    cap: null,
    retry: { first: 5000, most: 5000 },
    limit: null,
    lingers: 0,
  },
  'cluster-autoscaler': {
    title: 'cluster-autoscaler, scaling down',
    versions: 'cluster-autoscaler 1.27 to 1.37 with its default flags',
    properties: [
      documented(
        'the node is tainted ToBeDeletedByClusterAutoscaler, and pods are evicted 5 s later (--node-delete-delay-after-taint)',
        'kubernetes/autoscaler cluster-autoscaler/FAQ.md, 55c37cd; that the 5 s come first is inferred',
      ),
      documented(
        'a pod gets its own grace period, but at most 10 min (--max-graceful-termination-sec 600)',
        'kubernetes/autoscaler cluster-autoscaler/FAQ.md, 55c37cd',
      ),
      read(
        'a refused eviction is tried again every 10 s',
        'kubernetes/autoscaler cluster-autoscaler core/scaledown/actuation/drain.go DefaultEvictionRetryTime',
      ),
      documented(
        'an eviction that is still refused after 2 min (--max-pod-eviction-time) saves the node',
        'kubernetes/autoscaler cluster-autoscaler/FAQ.md, 55c37cd',
      ),
      inferred('the instance is deleted as soon as the last pod is gone', 'no wait is documented'),
    ],
    marks: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] },
    evictsAfter: 5000,
    asks: 'eviction',
    cap: 600_000,
    retry: { first: 10_000, most: 10_000 },
    limit: { after: 120_000, of: 'evictions', outcome: 'node-stays' },
    lingers: 0,
  },
  karpenter: {
    title: 'Karpenter, disrupting a node',
    versions: 'Karpenter 1.x, NodePool without terminationGracePeriod',
    properties: [
      KARPENTER_EVICTS,
      read(
        'without terminationGracePeriod it waits for budgets and pods for ever',
        'kubernetes-sigs/karpenter pkg/apis/v1/nodepool.go, 2266468',
      ),
    ],
    marks: KARPENTER_MARKS,
    evictsAfter: 0,
    asks: 'eviction',
    cap: null,
    retry: { first: 100, most: 10_000 },
    limit: null,
    lingers: 5000,
  },
  'gke-upgrade': {
    title: 'GKE node upgrade, surge',
    versions: 'GKE Standard, surge upgrades',
    properties: [
      observed(
        'budgets and grace periods are honoured for up to 1 h from the start of the drain, then the pods are forced out',
        'second-hand copies of the vendor page on node upgrade strategies',
      ),
      inferred(
        'forced out means deleted with the least grace, so that the kernel still closes their connections',
        'not documented',
      ),
      read(
        'the node carries the label operation.gke.io/type=drain',
        'kubernetes/ingress-gce pkg/utils/zonegetter/zone_getter.go, acbcf5d',
      ),
      inferred(
        'the node is cordoned, refused evictions are tried again every 5 s, and the machine goes with the last pod',
        'as kubectl drain',
      ),
    ],
    marks: { unschedulable: true, labels: { 'operation.gke.io/type': 'drain' } },
    evictsAfter: 0,
    asks: 'eviction',
    cap: null,
    retry: { first: 5000, most: 5000 },
    limit: { after: 3_600_000, of: 'departures', outcome: 'pods-are-deleted' },
    lingers: 0,
  },
  eks: {
    title: 'EKS managed node group, updating without force',
    versions: 'Amazon EKS managed node groups',
    properties: [
      documented(
        'pods that have not left after 15 min end the update (PodEvictionFailure), and the node stays',
        EKS_PHASES,
      ),
      documented(
        '60 s pass between the last pod and the end of the instance, for balancers to notice',
        EKS_PHASES,
      ),
      unproven(
        'the node is cordoned and labelled out of load balancers before it is drained',
        'remembered of the same page, not looked up',
      ),
      inferred('refused evictions are tried again every 5 s', 'as kubectl drain'),
    ],
    marks: { unschedulable: true, labels: { [EXCLUDE]: 'true' } },
    evictsAfter: 0,
    asks: 'eviction',
    cap: null,
    retry: { first: 5000, most: 5000 },
    limit: { after: 900_000, of: 'departures', outcome: 'node-stays' },
    lingers: 60_000,
  },
  spot: {
    title: 'GKE Spot VM, preempted',
    versions: 'GKE 1.20 and later (graceful node shutdown)',
    properties: [
      documented(
        'from notice to power-off 30 s: the kubelet grants pods 15 s, and 15 s more to those of the system',
        'Google Cloud, preemptible VMs; an older text has 25 s and 5 s',
      ),
      documented('nobody asks the Eviction API: budgets count for nothing', 'Kubernetes, Node Shutdowns'),
      inferred(
        'to clients it is as if each pod were deleted with that grace; replacements are made at once',
        'the kubelet ends the pods itself, and their status follows',
      ),
      unproven(
        'the node takes no pods from the notice on, by a taint',
        'its name (cloud.google.com/impending-node-termination) is remembered, not looked up',
      ),
    ],
    marks: { taints: [{ key: 'cloud.google.com/impending-node-termination', effect: 'NoSchedule' }] },
    evictsAfter: 0,
    asks: 'nobody',
    cap: 15_000,
    retry: { first: 5000, most: 5000 },
    limit: { after: 30_000, of: 'departures', outcome: 'machine-goes' },
    lingers: 15_000,
  },
  'ec2-spot': {
    title: 'EC2 Spot instance, interrupted, with Karpenter reading the queue',
    versions: 'Karpenter 1.x with an interruption queue',
    properties: [
      documented(
        '2 min from notice to the end of the instance, drained by Karpenter from the notice on',
        'aws/karpenter-provider-aws website disruption.md, 1d92708',
      ),
      KARPENTER_EVICTS,
      inferred(
        'what has not left by then goes with the machine, without a goodbye',
        'the instance is taken back whatever it runs',
      ),
    ],
    marks: KARPENTER_MARKS,
    evictsAfter: 0,
    asks: 'eviction',
    cap: null,
    retry: { first: 100, most: 10_000 },
    limit: { after: 120_000, of: 'departures', outcome: 'machine-goes' },
    lingers: 5000,
  },
} as const satisfies Record<string, NodeRemoval>;

/** Everybody who removes nodes, by name. */
export const NODE_REMOVAL_NAMES = Object.keys(NODE_REMOVALS) as [keyof typeof NODE_REMOVALS];

/** The longest that a pod lives after its eviction, whatever grace period it asks for: Infinity where its own counts. */
export const longestGrace = ({ cap, limit }: NodeRemoval): Millis =>
  Math.min(
    cap ?? Number.POSITIVE_INFINITY,
    limit?.of === 'departures' && limit.outcome !== 'node-stays' ? limit.after : Number.POSITIVE_INFINITY,
  );
