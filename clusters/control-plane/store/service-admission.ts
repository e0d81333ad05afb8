import type { V1Service, V1ServicePort } from '@kubernetes/client-node';
import type { Random } from '../../../harness/statistics/random.ts';
import { clusterAddress } from '../addresses.ts';

/** kube-apiserver's --service-node-port-range. */
const NODE_PORTS = { first: 30_000, last: 32_767 };

/** Addresses and node ports that Services hold; the allocator draws from `random` as the API server does. */
export interface Allocations {
  readonly services: readonly V1Service[];
  readonly random: Random;
}

/**
 * Gives a defaulted Service what the API server allocates (clusterIP, nodePorts, healthCheckNodePort), keeps what
 * the old one had, and drops what its type does not have (k8s pkg/registry/core/service/storage/alloc.go,
 * strategy.go patchAllocatedValues and dropTypeDependentFields).
 */
export function admitService(
  service: V1Service,
  old: V1Service | undefined,
  allocations: Allocations,
): V1Service {
  const spec = { ...service.spec };
  const others = allocations.services.filter((other) => other.metadata?.name !== service.metadata?.name);
  const ports = new Set(others.flatMap(({ spec: held }) => nodePorts(held)));
  for (const port of nodePorts(spec)) ports.add(port);
  const allocate = () => {
    for (;;) {
      const port = allocations.random.integer(NODE_PORTS.first, NODE_PORTS.last + 1);
      if (ports.has(port)) continue;
      ports.add(port);
      return port;
    }
  };
  const clusterIP = spec.clusterIP ?? old?.spec?.clusterIP ?? freeClusterAddress(others);
  spec.clusterIP = clusterIP;
  spec.clusterIPs = [clusterIP];
  const wantsNodePorts =
    spec.type === 'NodePort' ||
    (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
  spec.ports = (spec.ports ?? []).map((port) => {
    const { nodePort, ...rest } = port;
    if (!wantsNodePorts) return spec.type === 'LoadBalancer' && nodePort ? port : rest;
    return { ...rest, nodePort: nodePort || keptNodePort(port, old) || allocate() };
  });
  if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')
    spec.healthCheckNodePort = spec.healthCheckNodePort || old?.spec?.healthCheckNodePort || allocate();
  else delete spec.healthCheckNodePort;
  if (spec.type === 'ClusterIP') delete spec.externalTrafficPolicy;
  if (spec.type !== 'LoadBalancer') delete spec.allocateLoadBalancerNodePorts;
  return { ...service, spec };
}

const nodePorts = (spec: V1Service['spec']): number[] => [
  ...(spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : [])),
  ...(spec?.healthCheckNodePort ? [spec.healthCheckNodePort] : []),
];

const keptNodePort = (port: V1ServicePort, old: V1Service | undefined) =>
  old?.spec?.ports?.find((held) => held.port === port.port && held.protocol === port.protocol)?.nodePort;

function freeClusterAddress(services: readonly V1Service[]): string {
  const held = new Set(services.map(({ spec }) => spec?.clusterIP));
  for (let number = 0; ; number++) {
    const address = clusterAddress(number);
    if (!held.has(address)) return address;
  }
}
