import { AT_ONCE, type BalancerEntry, check, NO_WAITS } from './balancer-entry.ts';
import { documented, inferred, read, unproven } from './properties.ts';

/** kube-proxy's port with Cluster, the Service's own with Local (cloud-provider-gcp gce.go, gce_loadbalancer_external.go). */
const POOL_CHECKS = {
  Cluster: check('kube-proxy', 8000, 1000, 3),
  Local: check('health-check-node-port', 8000, 1000, 3),
};
/** ingress-gce pkg/l4/healthchecks/healthchecksl4.go. */
const BACKEND_SERVICE_CHECKS = {
  Cluster: check('kube-proxy', 8000, 1000, 3),
  Local: check('health-check-node-port', 3000, 1000, 2),
};
const GOOGLE_IDLE = { after: 60_000, next: 'moved' } as const;

const CLOUD_TIMES = inferred(
  'a change of the node set reaches it after 3 s, a forwarding rule is made in 5 s',
  'no document states them; what matters is seconds and not milliseconds',
);
const FAIL_OPEN = documented(
  'with no healthy backend, new connections go to all of them',
  'Google Cloud, TargetPool reference; traffic distribution for external passthrough Network Load Balancers',
);
const FORGETS = documented(
  'a flow that is silent for 60 s is forgotten and hashed anew',
  'Google Cloud, BackendServiceConnectionTrackingPolicy.idleTimeoutSec',
);

const GOOGLE = { provider: 'gce' } as const;
const targetPool = {
  title: "Google's target pool",
  versions:
    'Services of type LoadBalancer made by GKE before 1.37 without the annotation l4-rbs; from 1.37 only with the class l4-regional-external-legacy',
  members: { Cluster: 'nodes', Local: 'nodes' },
  checks: POOL_CHECKS,
  noneHealthy: 'all',
  hash: 'maglev',
  held: { unhealthy: 'moved', left: 'moved' },
  idle: GOOGLE_IDLE,
  times: { told: [3000, 3000], vanished: AT_ONCE, ...NO_WAITS },
  recreatedBy: ['policy', 'affinity'],
  signs: [
    GOOGLE,
    { ...GOOGLE, finalizer: 'gke.networking.io/l4-netlb-v1' },
    { ...GOOGLE, loadBalancerClass: 'networking.gke.io/l4-regional-external-legacy' },
  ],
  inspect: 'gcloud compute target-pools list; gcloud compute target-pools get-health NAME --region REGION',
  properties: [
    read(
      'all nodes are backends, whatever the policy; it chooses only what is asked: kube-proxy (Cluster) or the Service (Local), every 8 s, 3 failures',
      'kubernetes/cloud-provider-gcp providers/gce/gce_loadbalancer_external.go, gce_healthchecks.go',
    ),
    inferred(
      'an established flow leaves a node that became unhealthy',
      'Maglev (NSDI 2016) 3.2, which says so of the system that implements it; no product documentation does',
    ),
    FAIL_OPEN,
    FORGETS,
    documented(
      'no draining: a node that leaves loses its flows at once',
      'Google Cloud, transition to backend services; kubernetes/enhancements 3458',
    ),
    read(
      'an edit of policy, affinity or ports deletes and recreates the forwarding rule',
      'kubernetes/cloud-provider-gcp gce_loadbalancer_external.go',
    ),
    CLOUD_TIMES,
  ],
} satisfies BalancerEntry;

const backendService = {
  title: "Google's backend service, instance groups",
  versions: 'GKE 1.25.5 to 1.32.1 with the annotation cloud.google.com/l4-rbs; such Services keep it later',
  members: { Cluster: 'ready-nodes', Local: 'ready-nodes' },
  checks: BACKEND_SERVICE_CHECKS,
  noneHealthy: 'all',
  hash: 'maglev',
  held: { unhealthy: 'kept', left: 'moved' },
  idle: GOOGLE_IDLE,
  times: { told: [3000, 3000], vanished: AT_ONCE, ...NO_WAITS, drain: 30_000 },
  recreatedBy: [],
  signs: [
    { ...GOOGLE, annotations: { 'cloud.google.com/l4-rbs': /^enabled$/ } },
    { ...GOOGLE, annotations: { 'service.kubernetes.io/backend-service': /./ } },
    { ...GOOGLE, finalizer: 'gke.networking.io/l4-netlb-v2' },
  ],
  inspect:
    'gcloud compute backend-services list; gcloud compute backend-services get-health NAME --region REGION',
  properties: [
    read(
      'backends are the nodes that are Ready and not about to be deleted',
      'kubernetes/ingress-gce pkg/utils/zonegetter, pkg/instancegroups/controller.go',
    ),
    read(
      'asks kube-proxy every 8 s, 3 failures (Cluster), or the Service every 3 s, 2 failures (Local)',
      'kubernetes/ingress-gce pkg/l4/healthchecks/healthchecksl4.go',
    ),
    documented(
      'established TCP stays on a backend that became unhealthy',
      'Google Cloud, connectionPersistenceOnUnhealthyBackends',
    ),
    FAIL_OPEN,
    FORGETS,
    read('a node that leaves keeps its flows for 30 s', 'kubernetes/ingress-gce pkg/l4/backends/backends.go'),
    inferred('after those 30 s they are hashed to the nodes that are left', 'not documented'),
    read(
      'only an edit of the ports recreates the forwarding rule',
      'kubernetes/ingress-gce pkg/l4/forwardingrules/equal.go, pkg/l4/resources/forwarding_rules.go',
    ),
    CLOUD_TIMES,
  ],
} satisfies BalancerEntry;

const targetPoolPersistent = {
  ...targetPool,
  title: "Google's target pool, if it never moves a flow",
  signs: [],
  held: { unhealthy: 'kept', left: 'moved' },
  properties: [
    ...targetPool.properties.filter(({ evidence }) => evidence !== 'inferred'),
    unproven(
      'an established flow stays on a node that became unhealthy: the other reading of the documentation',
    ),
    CLOUD_TIMES,
  ],
} satisfies BalancerEntry;

const backendServiceNeg = {
  ...backendService,
  title: "Google's backend service, network endpoint groups",
  versions:
    'GKE from 1.37 for every new Service; from 1.32.2 with the annotation cloud.google.com/l4-rbs, from 1.33.1 with the class l4-regional-external',
  members: { Cluster: 'untainted-nodes', Local: 'nodes-with-staying-endpoint' },
  signs: [
    { ...GOOGLE, finalizer: 'gke.networking.io/l4-netlb-v3' },
    { ...GOOGLE, loadBalancerClass: 'networking.gke.io/l4-regional-external' },
  ],
  times: { ...backendService.times, told: [3000, 15_000], vanished: [3000, 15_000] },
  properties: [
    read(
      'backends are the nodes that are not about to be deleted (Cluster), or those with an endpoint that is not terminating, ready or not (Local); of a large cluster all, although only a part is taken',
      'kubernetes/ingress-gce pkg/neg/types/types.go, pkg/neg/syncers/endpoints_calculator.go',
    ),
    ...backendService.properties.slice(1, -1),
    inferred(
      'a change reaches it after 3 to 15 s',
      'not documented: the API attaches and detaches in seconds',
    ),
    inferred('with no backend left packets vanish', 'a comment of kubernetes/ingress-gce expects time-outs'),
  ],
} satisfies BalancerEntry;

/** Google Cloud's external passthrough balancers, as GKE makes them. */
export const GOOGLE_BALANCERS = {
  'target-pool': targetPool,
  'target-pool-persistent': targetPoolPersistent,
  'backend-service': backendService,
  'backend-service-neg': backendServiceNeg,
} as const;
