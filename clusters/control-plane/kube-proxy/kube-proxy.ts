import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { CLUSTER_CIDR } from '../addresses.ts';
import { ciliumRules } from './cilium.ts';
import { iptablesRules } from './iptables.ts';
import { iptablesRules122 } from './iptables-1.22.ts';
import { ipvsAddresses, ipvsRules } from './ipvs.ts';
import { nftablesRules } from './nftables.ts';
import type { NodeRules, ServiceRules } from './rules.ts';
import { type ServicePort, servicePorts, type Vintage } from './service-port.ts';

/** kube-proxy's own health port, `--healthz-bind-address`'s default. */
export const HEALTHZ_PORT = 10_256;

export interface KubeProxyInput {
  readonly services: readonly V1Service[];
  /** Of discovery v1 or v1beta1. */
  readonly slices: readonly V1EndpointSlice[];
  readonly node: {
    readonly name: string;
    readonly address: string;
    readonly podCidr: string;
    /** Its label topology.kubernetes.io/zone. */
    readonly zone?: string;
  };
  readonly mode: Axes['proxy'];
  /** What the last sync on this node gave; IPVS keeps real servers from it at weight 0. */
  readonly previous?: NodeRules;
  readonly now: Millis;
  /** kube-proxy's `--cluster-cidr`. Default: the embedded clusters'. */
  readonly clusterCidr?: string;
}

/** What each mode's kube-proxy is as of; IPVS is modelled from 1.20.2 (FACTS B4). */
const VINTAGES: Readonly<Record<Axes['proxy'], Vintage>> = {
  'iptables-1.22': '1.22',
  iptables: 'current',
  nftables: 'current',
  ipvs: '1.22',
  cilium: 'current',
  'cilium-1.16': 'current',
};

/** All that kube-proxy (or Cilium in its place) puts in force on one node in one sync, as data. */
export function nodeRules(input: KubeProxyInput): NodeRules {
  const { name, zone } = input.node;
  const ports = servicePorts(input.services, input.slices, name, VINTAGES[input.mode], zone);
  const balancerAddresses = [...new Set(ports.flatMap((port) => port.balancerAddresses))];
  return {
    node: name,
    rules: serviceRules(input, ports),
    localAddresses: input.mode === 'ipvs' ? ipvsAddresses(ports) : balancerAddresses,
    health: [{ port: HEALTHZ_PORT, ok: true }, ...healthCheckNodePorts(ports)],
  };
}

function serviceRules(input: KubeProxyInput, ports: readonly ServicePort[]): ServiceRules {
  const { mode, node, previous } = input;
  const options = {
    nodeAddress: node.address,
    podCidr: node.podCidr,
    clusterCidr: input.clusterCidr ?? CLUSTER_CIDR,
  };
  switch (mode) {
    case 'iptables-1.22':
      return iptablesRules122(ports, options);
    case 'iptables':
      return iptablesRules(ports, options);
    case 'nftables':
      return nftablesRules(ports, options);
    case 'ipvs':
      return ipvsRules(ports, options, previous?.rules.mode === 'ipvs' ? previous.rules : undefined);
    case 'cilium':
    case 'cilium-1.16':
      return ciliumRules(ports, { mode, nodeAddress: node.address });
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
