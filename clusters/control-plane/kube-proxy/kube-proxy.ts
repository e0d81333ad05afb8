import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';
import { type Dataplane, dataplane } from '../../../harness/platforms/dataplanes.ts';
import { KUBERNETES_VERSIONS } from '../../../harness/platforms/kubernetes.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { CLUSTER_CIDR, SERVICE_CIDR } from '../addresses.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import { ciliumRules } from './cilium.ts';
import { iptablesRules } from './iptables.ts';
import { iptablesRules122 } from './iptables-1.22.ts';
import { ipvsAddresses, ipvsRules } from './ipvs.ts';
import { nftablesRules } from './nftables.ts';
import type { NodeRules, ServiceRules } from './rules.ts';
import { type ServicePort, servicePorts, type Vintage } from './service-port.ts';

const NEWEST = KUBERNETES_VERSIONS[KUBERNETES_VERSIONS.length - 1] as Axes['kubernetes'];

/** kube-proxy's own health port, `--healthz-bind-address`'s default. */
const HEALTHZ_PORT = 10_256;

export interface KubeProxyInput {
  readonly services: readonly V1Service[];
  /** Of discovery v1 or v1beta1. */
  readonly slices: readonly V1EndpointSlice[];
  readonly node: {
    readonly name: string;
    readonly address: string;
    readonly podCidr: string;
    readonly zone?: string | undefined;
    /** Its taints' keys; none by default. */
    readonly taints?: readonly string[];
  };
  readonly mode: Axes['proxy'];
  /** Whose kube-proxy it is. Default: the newest release. */
  readonly kubernetes?: Axes['kubernetes'];
  /** What the last sync on this node gave; IPVS keeps real servers from it at weight 0. */
  readonly previous?: NodeRules;
  readonly now: Millis;
  /** kube-proxy's `--cluster-cidr`. Default: the embedded clusters'. */
  readonly clusterCidr?: string;
  /** What cluster IPs are chosen from, as the ServiceCIDR objects say. Default: the embedded clusters'. */
  readonly serviceCidr?: string;
}

/** How a dataplane of this release reads Services and their EndpointSlices. */
export function vintageOf(found: Dataplane, kubernetes: Axes['kubernetes']): Vintage {
  return found.mode === 'cilium' ? 'current' : behaviourOf(found.asOf ?? kubernetes).kubeProxy;
}

/** All that kube-proxy (or Cilium in its place) puts in force on one node in one sync, as data. */
export function nodeRules(input: KubeProxyInput): NodeRules {
  const found = dataplane(input.mode);
  const kubernetes = input.kubernetes ?? NEWEST;
  const vintage = vintageOf(found, kubernetes);
  const { name, zone, taints = [] } = input.node;
  const ports = servicePorts(input.services, input.slices, { node: name, zone }, vintage);
  const isLeaving = taints.includes('ToBeDeletedByClusterAutoscaler');
  const tellsLeaving = found.mode !== 'cilium' && behaviourOf(kubernetes).tellsLeaving;
  const balancerAddresses = [...new Set(ports.flatMap((port) => port.balancerAddresses))];
  return {
    node: name,
    rules: serviceRules(input, ports, found, vintage),
    localAddresses: found.mode === 'ipvs' ? ipvsAddresses(ports) : balancerAddresses,
    health: [{ port: HEALTHZ_PORT, ok: !(tellsLeaving && isLeaving) }, ...healthCheckNodePorts(ports)],
  };
}

function serviceRules(
  input: KubeProxyInput,
  ports: readonly ServicePort[],
  found: Dataplane,
  vintage: Vintage,
): ServiceRules {
  const { node, previous } = input;
  const options = {
    nodeAddress: node.address,
    podCidr: node.podCidr,
    clusterCidr: input.clusterCidr ?? CLUSTER_CIDR,
    serviceCidr: input.serviceCidr ?? SERVICE_CIDR,
  };
  switch (found.mode) {
    case 'iptables':
      return vintage === '1.22' ? iptablesRules122(ports, options) : iptablesRules(ports, options);
    case 'nftables':
      return nftablesRules(ports, options);
    case 'ipvs':
      return ipvsRules(ports, options, previous?.rules.mode === 'ipvs' ? previous.rules : undefined);
    case 'cilium':
      return ciliumRules(ports, found, node.address);
  }
}

/**
 * One answer a Service: healthy while a ready endpoint runs on this node; those that terminate do not count
 * (k8s pkg/proxy/healthcheck/service_health.go; FACTS B6).
 */
function healthCheckNodePorts(ports: readonly ServicePort[]): NodeRules['health'] {
  const local = new Map<number, Set<string>>();
  for (const port of ports) {
    if (port.healthCheckNodePort === undefined) continue;
    const addresses = local.get(port.healthCheckNodePort) ?? new Set();
    local.set(port.healthCheckNodePort, addresses);
    for (const endpoint of port.endpoints)
      if (endpoint.local && endpoint.ready) addresses.add(endpoint.address);
  }
  return [...local].map(([port, { size }]) => ({ port, ok: size > 0, localEndpoints: size }));
}
