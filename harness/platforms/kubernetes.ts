import type { Platform } from './platform.ts';
import { documented, inferred, observed, read } from './properties.ts';

/** Releases of Kubernetes whose differences are modelled, oldest first. */
export const KUBERNETES_VERSIONS = [
  '1.20',
  '1.21',
  '1.22',
  '1.23',
  '1.24',
  '1.25',
  '1.26',
  '1.27',
  '1.28',
  '1.29',
  '1.30',
  '1.31',
  '1.32',
  '1.33',
  '1.34',
  '1.35',
  '1.36',
  '1.37',
] as const;

/** The embedded Kubernetes: its controllers, kubelets and API server, each release as `--kubernetes` names it. */
const KUBERNETES: Platform = {
  title: 'Kubernetes: controllers, kubelets, API server',
  versions:
    'Kubernetes 1.20 to 1.37, each with what is on by default in it (clusters/control-plane/kubernetes-versions.ts says what changed when)',
  properties: [
    read(
      'Deployments, ReplicaSets, EndpointSlices, autoscalers and nodes change in the order and at the pace of the controllers',
      'k8s pkg/controller/{deployment,replicaset,endpointslice,podautoscaler,nodelifecycle}',
    ),
    read(
      'probes, preStop hooks, grace periods and restarts go as in the kubelet; since 1.21 readiness is asked as soon as a container has started',
      'k8s pkg/kubelet/{prober,kuberuntime}',
    ),
    documented(
      'terminating endpoints are told from 1.22, native sidecars from 1.29, a node that is about to be deleted from 1.30, traffic distribution from 1.31',
      'KEP-1672, KEP-753, KEP-3836, KEP-4444',
    ),
    read(
      'a silent node is given up after 40 s, from 1.32 after 50 s',
      'kube-controller-manager NodeMonitorGracePeriod',
    ),
    observed(
      'cells on real nodes of 1.20.2 and 1.36.3 agree with their predictions',
      'CI of this project, .ci/kind',
    ),
    inferred(
      'the scheduler spreads pods over nodes and zones evenly, which is what its default scores come to for pods of one size',
      'k8s pkg/scheduler/framework/plugins/podtopologyspread',
    ),
  ],
};

/** The same platform by each of its releases. */
export const KUBERNETES_RELEASES: Readonly<Record<string, Platform>> = Object.fromEntries(
  KUBERNETES_VERSIONS.map((version) => [version, KUBERNETES]),
);
