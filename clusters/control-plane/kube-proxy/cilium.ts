import type { CiliumRules } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

interface Options {
  readonly mode: CiliumRules['mode'];
  readonly nodeAddress: string;
}

type Service = CiliumRules['services'][number];

/**
 * Cilium's service and backend maps on one node, in place of kube-proxy (cilium pkg/k8s/endpoints.go,
 * pkg/service/service.go; FACTS C). An endpoint that is neither ready nor terminating is no backend at all: its
 * connections lose it at once. Up to 1.12 a terminating one always is a backend, in 1.16 only while it serves.
 */
export function ciliumRules(ports: readonly ServicePort[], options: Options): CiliumRules {
  const services = ports.flatMap((port) => servicesOf(port, options));
  const backends = new Set(services.flatMap((service) => service.backends.map(endpointText)));
  return { mode: options.mode, services, backends: [...backends].sort() };
}

function servicesOf(port: ServicePort, { mode, nodeAddress }: Options): Service[] {
  const usable = port.endpoints.filter(({ ready, terminating, serving }) =>
    mode === 'cilium' ? ready || terminating : ready || (serving && terminating),
  );
  const service = (address: string, number: number, local: boolean): Service => ({
    address,
    port: number,
    comment: port.name,
    backends: usable.filter((endpoint) => !local || endpoint.local).map(backendOf),
    local,
    ...(port.stickySeconds === undefined ? {} : { stickySeconds: port.stickySeconds }),
  });
  const internalLocal = port.internalLocal && mode !== 'cilium';
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  const fromNode = port.sourceRanges.some((range) => contains(range, nodeAddress));
  const allowed = (address: string) =>
    port.sourceRanges.length === 0
      ? {}
      : { sourceRanges: [...port.sourceRanges, ...(fromNode ? [`${address}/32`] : [])] };
  return [
    service(port.clusterAddress, port.port, internalLocal),
    ...port.externalAddresses.map((address) => service(address, port.port, port.externalLocal)),
    ...port.balancerAddresses.map((address) => ({
      ...service(address, port.port, port.externalLocal),
      ...allowed(address),
    })),
    ...(port.nodePort === undefined ? [] : [service(nodeAddress, port.nodePort, port.externalLocal)]),
  ];
}

const backendOf = ({ address, port, terminating }: Endpoint): Service['backends'][number] => ({
  address,
  port,
  state: terminating ? 'terminating' : 'active',
});
