import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import type { Random } from '../../../harness/statistics/random.ts';
import { isReady, nodeAddress } from '../api/views.ts';

/** How clients outside reach a Service: through its load balancer, or through a node port where there is none. */
export type Entrance = 'load-balancer' | 'node-port';

/** What of the cluster decides where a client may dial. */
export interface Surroundings {
  readonly nodes: readonly V1Node[];
  readonly slices: readonly V1EndpointSlice[];
}

/** Addresses that all lead to the Service now, and their port; none while it has no way in yet. */
export interface WayIn {
  readonly hosts: readonly string[];
  readonly port: number;
}

/** Where clients of `service` dial now. */
export function wayIn(entrance: Entrance, service: V1Service | undefined, around: Surroundings): WayIn {
  const port = service?.spec?.ports?.[0];
  if (service === undefined || port === undefined) return { hosts: [], port: 0 };
  if (entrance === 'load-balancer') {
    const ingress = service.status?.loadBalancer?.ingress ?? [];
    return { hosts: ingress.flatMap(({ ip, hostname }) => ip ?? hostname ?? []), port: port.port };
  }
  const local =
    service.spec?.externalTrafficPolicy === 'Local'
      ? nodesWithEndpoints(service.metadata?.name ?? '', around.slices)
      : undefined;
  const nodes = around.nodes.filter(
    (node) => isReady(node) && local?.has(node.metadata?.name ?? '') !== false,
  );
  return { hosts: nodes.flatMap((node) => nodeAddress(node) ?? []), port: port.nodePort ?? 0 };
}

/** One of the addresses as a WebSocket URL, each equally likely, as a balancer without affinity would choose. */
export function pickUrl({ hosts, port }: WayIn, random: Random): string | undefined {
  if (hosts.length === 0 || port === 0) return undefined;
  const host = random.pick(hosts);
  return `ws://${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

/** The only nodes that take connections with the policy Local; any other drops what it is sent. */
export function nodesWithEndpoints(service: string, slices: readonly V1EndpointSlice[]): Set<string> {
  return new Set(
    slices
      .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === service)
      .flatMap(({ endpoints }) => endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ nodeName }) => nodeName ?? []),
  );
}
