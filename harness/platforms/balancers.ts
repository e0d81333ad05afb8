import { AT_ONCE, type BalancerEntry, check, NO_WAITS, type Seen, strengthOf } from './balancer-entry.ts';
import { GOOGLE_BALANCERS } from './google-balancers.ts';
import { documented, inferred, observed, read, unproven } from './properties.ts';

/** Every packet is hashed by itself: nothing is remembered of a flow. */
const STATELESS = { after: 0, next: 'moved' } as const;
const AWS = { provider: 'aws' } as const;
const NLB_TYPE = 'service.beta.kubernetes.io/aws-load-balancer-type';
const NLB_TARGETS = 'service.beta.kubernetes.io/aws-load-balancer-nlb-target-type';
const NLB_INSPECT = 'aws elbv2 describe-target-health --target-group-arn ARN';
const METALLB_SIGNS = [
  { annotations: { 'metallb.io/ip-allocated-from-pool': /./ } },
  { annotations: { 'metallb.universe.tf/ip-allocated-from-pool': /./ } },
] as const;

/** AWS Load Balancer Controller pkg/service/model_builder.go. */
const NLB_TCP = check('traffic-port', 10_000, 10_000, 3, 3);
const NLB_KEEPS = [
  documented(
    'a flow that is silent for 350 s is forgotten, and its next packet answered with RST',
    'AWS, Network Load Balancers: connection idle timeout',
  ),
  documented(
    'a flow whose target became unhealthy is answered with RST (target_health_state.unhealthy.connection_termination)',
    'AWS, Edit target group attributes: unhealthy target connection termination',
  ),
  documented(
    'a deregistered target keeps its flows beyond the delay of 300 s while it is healthy, as connection_termination is off',
    'AWS, Target groups for Network Load Balancers: deregistration delay',
  ),
  observed(
    'a deregistered target still gets new flows for 120 s',
    'kubernetes-sigs/aws-load-balancer-controller#2366, #3270',
  ),
  observed(
    'a new target is first asked 90 to 180 s after its registration',
    'kubernetes-sigs/aws-load-balancer-controller#1834',
  ),
  documented('with no healthy target at all, new flows go to all', 'AWS, Target group health'),
  inferred(
    'held flows are answered with RST also when no target is healthy; zones, and the sequence number in the hash, are left out',
    'not documented for the former',
  ),
  inferred('the controller reacts within a second', 'kubernetes-sigs/aws-load-balancer-controller'),
] as const;
const NLB = {
  noneHealthy: 'all',
  hash: 'maglev',
  held: { unhealthy: 'reset', left: 'kept' },
  idle: { after: 350_000, next: 'reset' },
  times: {
    told: [200, 1000],
    vanished: AT_ONCE,
    registration: [90_000, 180_000],
    takesOn: [120_000, 120_000],
    drain: 300_000,
  },
  recreatedBy: [],
} as const;

const METALLB_VERSIONS = 'MetalLB 0.14 and later';
const METALLB = {
  members: { Cluster: 'nodes-while-serving', Local: 'nodes-with-serving-endpoint' },
  checks: { Cluster: undefined, Local: undefined },
  noneHealthy: 'nobody',
  held: { unhealthy: 'moved', left: 'moved' },
  idle: STATELESS,
  recreatedBy: [],
  signs: METALLB_SIGNS,
  inspect: 'kubectl get events --field-selector reason=nodeAssigned',
} as const;
const ANNOUNCES = read(
  'a node announces the address while it has an endpoint that is ready or serving (Local), or while there is one anywhere (Cluster); without any the address is withdrawn',
  'metallb/metallb speaker/layer2_controller.go, internal/k8s/epslices',
);
const WITHDRAWN = inferred(
  'a withdrawn address answers nobody; the speakers react within a second',
  'where no node announces it, no route leads there',
);
const BGP_TIMES = { told: [100, 1000], vanished: [60_000, 90_000], ...NO_WAITS } as const;
const HOLD_TIME = unproven(
  'a node that vanishes is missed after the hold time of 90 s, counted from its last keepalive; BFD would be faster',
);

const TABLE = {
  ...GOOGLE_BALANCERS,
  'nlb-instance': {
    ...NLB,
    title: 'AWS Network Load Balancer, instance targets',
    versions: 'AWS Load Balancer Controller 2.2 to 2.14 with its defaults, target type instance',
    members: { Cluster: 'ready-nodes', Local: 'ready-nodes' },
    checks: { Cluster: NLB_TCP, Local: check('health-check-node-port', 10_000, 6000, 2, 2) },
    signs: [
      { ...AWS, annotations: { [NLB_TYPE]: /^external$/ } },
      { ...AWS, loadBalancerClass: 'service.k8s.aws/nlb' },
    ],
    inspect: NLB_INSPECT,
    properties: [
      read(
        'targets are the nodes that are Ready and not about to be deleted, whatever the policy',
        'kubernetes-sigs/aws-load-balancer-controller pkg/backend/endpoint_utils.go',
      ),
      read(
        'TCP to the nodePort every 10 s, 3 of 3 (Cluster), or HTTP to the healthCheckNodePort every 10 s, 2 of 2 (Local)',
        'kubernetes-sigs/aws-load-balancer-controller pkg/service/model_builder.go',
      ),
      ...NLB_KEEPS,
    ],
  },
  'nlb-ip': {
    ...NLB,
    title: 'AWS Network Load Balancer, IP targets',
    versions: 'AWS Load Balancer Controller 2.2 to 2.14 with its defaults, target type ip',
    members: { Cluster: 'pods', Local: 'pods' },
    checks: { Cluster: NLB_TCP, Local: NLB_TCP },
    signs: [
      { ...AWS, annotations: { [NLB_TYPE]: /^nlb-ip$/ } },
      { ...AWS, annotations: { [NLB_TYPE]: /^external$/, [NLB_TARGETS]: /^ip$/ } },
      {
        ...AWS,
        loadBalancerClass: 'service.k8s.aws/nlb',
        annotations: { [NLB_TARGETS]: /^ip$/ },
      },
    ],
    inspect: NLB_INSPECT,
    properties: [
      read(
        'targets are the pods that are ready; one that terminates is deregistered at once',
        'kubernetes-sigs/aws-load-balancer-controller pkg/backend/endpoint_resolver.go',
      ),
      read(
        'TCP to the pod every 10 s, 3 of 3; readiness gates are left out',
        'kubernetes-sigs/aws-load-balancer-controller pkg/service/model_builder.go',
      ),
      ...NLB_KEEPS,
    ],
  },
  azure: {
    title: 'Azure Standard Load Balancer',
    versions: 'as cloud-provider-azure of 2026 sets it up, with its default probe mode servicenodeport',
    members: { Cluster: 'nodes', Local: 'nodes' },
    checks: {
      Cluster: check('traffic-port', 5000, 5000, 2),
      Local: check('health-check-node-port', 5000, 5000, 2),
    },
    noneHealthy: 'nobody',
    hash: 'maglev',
    held: { unhealthy: 'kept', left: 'kept' },
    idle: { after: 240_000, next: 'reset' },
    times: { told: [3000, 3000], vanished: AT_ONCE, ...NO_WAITS },
    recreatedBy: [],
    signs: [{ provider: 'azure' }],
    inspect: 'az network lb probe list --resource-group MC_GROUP --lb-name kubernetes',
    properties: [
      read(
        'TCP to the nodePort (Cluster) every 5 s, 2 failures',
        'kubernetes-sigs/cloud-provider-azure pkg/consts/consts.go, pkg/provider/azure.go',
      ),
      inferred('HTTP to the healthCheckNodePort (Local)', 'what AKS creates since 2025 was not determined'),
      documented(
        'established TCP stays on an instance whose probe fails, also when all fail; new flows then find nobody',
        'Azure, Load Balancer health probes: probe down behavior',
      ),
      observed(
        'a node that is gone keeps its flows: the client hears nothing',
        'Azure/AKS#5038, kubernetes/kubernetes#129605',
      ),
      read(
        'a flow that is silent for 4 minutes is answered with RST, as the cloud provider sets it; here at its next packet, not at once to both ends',
        'kubernetes-sigs/cloud-provider-azure pkg/provider/azure_loadbalancer.go',
      ),
      inferred(
        'a change of the node set reaches it after 3 s; an edit of the policy changes it in place',
        'not documented',
      ),
    ],
  },
  'metallb-l2': {
    ...METALLB,
    title: 'MetalLB, layer 2',
    versions: METALLB_VERSIONS,
    hash: 'leader',
    times: { told: [100, 1000], vanished: [2000, 10_000], ...NO_WAITS },
    properties: [
      ANNOUNCES,
      read(
        'one node takes everything: the first in an order hashed of node and address',
        'metallb/metallb speaker/layer2_controller.go',
      ),
      WITHDRAWN,
      documented(
        'a leader that vanishes is replaced within a few seconds, more than 10 s would be a bug',
        'MetalLB, concepts: layer 2 mode',
      ),
    ],
  },
  'metallb-bgp': {
    ...METALLB,
    title: 'MetalLB, BGP with plain ECMP',
    versions: `${METALLB_VERSIONS}; routers that hash a flow over the number of next hops`,
    hash: 'modulo',
    times: BGP_TIMES,
    properties: [
      ANNOUNCES,
      documented('any change of the next hops moves most flows', 'MetalLB, concepts: BGP mode, limitations'),
      inferred(
        'a flow keeps its next hop only where its hash modulo the number of next hops names the same one',
        'how plain ECMP is commonly done',
      ),
      WITHDRAWN,
      HOLD_TIME,
    ],
  },
  'metallb-bgp-resilient': {
    ...METALLB,
    title: 'MetalLB, BGP with resilient ECMP',
    versions: `${METALLB_VERSIONS}; routers with resilient hashing`,
    hash: 'resilient',
    times: BGP_TIMES,
    properties: [
      ANNOUNCES,
      inferred(
        'a next hop that leaves moves its own flows only, one that comes takes an even share of the others',
        'what the name promises; vendors differ in the latter',
      ),
      WITHDRAWN,
      HOLD_TIME,
    ],
  },
  servicelb: {
    title: 'ServiceLB of k3s (klipper-lb)',
    versions:
      'k3s 1.26 and later with its own ServiceLB; any node port behind DNS names that clients choose from',
    members: { Cluster: 'ready-nodes', Local: 'nodes-with-serving-endpoint' },
    checks: { Cluster: undefined, Local: undefined },
    noneHealthy: 'nobody',
    hash: 'maglev',
    held: { unhealthy: 'kept', left: 'kept' },
    idle: { after: Number.POSITIVE_INFINITY, next: 'moved' },
    times: { told: [1000, 5000], vanished: [40_000, 60_000], ...NO_WAITS },
    recreatedBy: [],
    signs: [{ agent: 'svclb-' }],
    inspect: 'kubectl -n kube-system get daemonsets -l svccontroller.k3s.cattle.io/svcname',
    properties: [
      read(
        'a port of every node, translated to the ClusterIP (Cluster) or the nodePort (Local) there and masqueraded: kube-proxy decides, and its conntrack holds the flow',
        'k3s-io/klipper-lb entry',
      ),
      inferred(
        "a client keeps the node whose address it dialled, evenly chosen; nobody moves it, and a node's end is silence",
        'nothing stands between client and node that could',
      ),
      inferred(
        'the addresses follow the nodes within 5 s, a node that vanishes within a minute',
        "k3s's service controller lists ready nodes, which the node lifecycle takes 40 to 60 s to doubt",
      ),
    ],
  },
} as const satisfies Record<string, BalancerEntry>;

export type BalancerName = keyof typeof TABLE;

/** By the value of the axis `balancer`, in the order in which they are told. */
export const BALANCERS: Readonly<Record<BalancerName, BalancerEntry>> = TABLE;

/** The names, for an axis. */
export const BALANCER_NAMES = Object.keys(TABLE) as [BalancerName, ...BalancerName[]];

/** The entry of a name that a log tells; of one that is not in the table (a later version's) that of the axis's default. */
export const balancerNamed = (name: string): BalancerEntry =>
  Object.hasOwn(BALANCERS, name) ? BALANCERS[name as BalancerName] : BALANCERS['target-pool'];

/** Which balancers a live Service may have, by the strongest sign; several where they cannot be told apart, none where it is not in the table. */
export function balancersSeen(seen: Seen): BalancerName[] {
  const strengths = BALANCER_NAMES.map((name) => ({
    name,
    strength: Math.max(0, ...BALANCERS[name].signs.map((sign) => strengthOf(sign, seen))),
  }));
  const most = Math.max(...strengths.map(({ strength }) => strength));
  return most === 0 ? [] : strengths.filter(({ strength }) => strength === most).map(({ name }) => name);
}
