import type { Cilium } from '../../../harness/platforms/dataplanes.ts';
import type { CiliumRules } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

type Service = CiliumRules['services'][number];

/**
 * Cilium's service and backend maps on one node, in place of kube-proxy (cilium pkg/k8s/endpoints.go,
 * pkg/service/service.go; FACTS C). A backend's entry goes with the last Service that has it.
 */
export function ciliumRules(ports: readonly ServicePort[], cilium: Cilium, nodeAddress: string): CiliumRules {
  const backends = ports.flatMap(({ endpoints }) => endpoints.filter((one) => isBackend(one, cilium)));
  return {
    mode: 'cilium',
    refusal: cilium.refusal.nowhere,
    establishedNeedActive: cilium.establishedNeedActive,
    idle: cilium.idle.after,
    services: ports.flatMap((port) => servicesOf(port, cilium, nodeAddress)),
    backends: [...new Set(backends.map(endpointText))].sort(),
  };
}

/** Whether an endpoint has an entry in the backend map, without which no connection to it goes on. */
function isBackend({ ready, serving, terminating }: Endpoint, cilium: Cilium): boolean {
  if (ready || (terminating && serving)) return true;
  return terminating ? cilium.keepsNotServing : cilium.keepsUnready;
}

/** Those that get new connections. */
function active(endpoints: readonly Endpoint[], { terminatingTakeNew }: Cilium): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  if (ready.length > 0 || !terminatingTakeNew) return ready;
  return endpoints.filter(({ terminating, serving }) => terminating && serving);
}

function servicesOf(port: ServicePort, cilium: Cilium, nodeAddress: string): Service[] {
  const service = (address: string, number: number, local: boolean): Service => ({
    address,
    port: number,
    comment: port.name,
    backends: active(
      port.endpoints.filter((endpoint) => !local || endpoint.local),
      cilium,
    ).map((endpoint) => ({ address: endpoint.address, port: endpoint.port })),
    local,
    ...(port.stickySeconds === undefined ? {} : { stickySeconds: port.stickySeconds }),
  });
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  const fromNode = port.sourceRanges.some((range) => contains(range, nodeAddress));
  const allowed = (address: string) =>
    port.sourceRanges.length === 0
      ? {}
      : { sourceRanges: [...port.sourceRanges, ...(fromNode ? [`${address}/32`] : [])] };
  return [
    service(port.clusterAddress, port.port, port.internalLocal && cilium.heedsInternalPolicy),
    ...port.externalAddresses.map((address) => service(address, port.port, port.externalLocal)),
    ...port.balancerAddresses.map((address) => ({
      ...service(address, port.port, port.externalLocal),
      ...allowed(address),
    })),
    ...(port.nodePort === undefined ? [] : [service(nodeAddress, port.nodePort, port.externalLocal)]),
  ];
}
