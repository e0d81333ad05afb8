import type { IpvsRules } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

interface Options {
  readonly nodeAddress: string;
  readonly podCidr: string;
  /** kube-proxy's `--cluster-cidr`. */
  readonly clusterCidr: string;
}

type VirtualServer = IpvsRules['virtualServers'][number];

/**
 * The virtual servers of kube-proxy in IPVS mode: one for each address and port of a Service, with no rules for
 * Services without endpoints (k8s 1.20.2 pkg/proxy/ipvs/proxier.go and graceful_termination.go; FACTS B4).
 * `previous` is what this node had: real servers whose endpoint went away stay at weight 0 as long as the virtual
 * server does, for TCP. kube-proxy deletes them within a minute of their last connection, which no connection sees.
 */
export function ipvsRules(
  ports: readonly ServicePort[],
  options: Options,
  previous: IpvsRules | undefined,
): IpvsRules {
  const before = new Map((previous?.virtualServers ?? []).map((server) => [keyOf(server), server]));
  const virtualServers = ports
    .flatMap((port) => virtualServersOf(port, options))
    .map((server) => ({ ...server, realServers: withDraining(server, before.get(keyOf(server))) }));
  return { mode: 'ipvs', virtualServers };
}

/** Addresses on the dummy interface kube-ipvs0: all of a Service but the nodes' own. */
export const ipvsAddresses = (ports: readonly ServicePort[]): string[] => [
  ...new Set(
    ports.flatMap((port) => [port.clusterAddress, ...port.externalAddresses, ...port.balancerAddresses]),
  ),
];

function virtualServersOf(port: ServicePort, options: Options): VirtualServer[] {
  const base = {
    protocol: port.protocol,
    comment: port.name,
    ...(port.stickySeconds === undefined ? {} : { stickySeconds: port.stickySeconds }),
  };
  // From outside: Local sends to this node's endpoints only and keeps the client's address.
  const outside = {
    ...base,
    masquerade: !port.externalLocal,
    realServers: realServers(
      port.externalLocal ? port.endpoints.filter((endpoint) => endpoint.local) : port.endpoints,
    ),
  };
  const at = (address: string): VirtualServer => ({ ...outside, address, port: port.port });
  const nodePort = port.nodePort;
  const nodeAddresses = nodePort === undefined ? [] : [options.nodeAddress, gatewayOf(options.podCidr)];
  return [
    {
      ...base,
      address: port.clusterAddress,
      port: port.port,
      masquerade: true,
      masqueradeExcept: options.clusterCidr,
      realServers: realServers(port.endpoints),
    },
    ...port.externalAddresses.map(at),
    ...port.balancerAddresses.map((address) => ({
      ...at(address),
      ...allowedSources(port, address, options.nodeAddress),
    })),
    ...nodeAddresses.map((address) => ({ ...outside, address, port: nodePort ?? 0 })),
  ];
}

function allowedSources(port: ServicePort, address: string, nodeAddress: string): Partial<VirtualServer> {
  if (port.sourceRanges.length === 0) return {};
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  const fromNode = port.sourceRanges.some((range) => contains(range, nodeAddress));
  return { sourceRanges: [...port.sourceRanges, ...(fromNode ? [`${address}/32`] : [])] };
}

const realServers = (endpoints: readonly Endpoint[]) =>
  endpoints.map(({ address, port }) => ({ address, port, weight: 1 }));

function withDraining(now: VirtualServer, before: VirtualServer | undefined): VirtualServer['realServers'] {
  if (now.protocol !== 'tcp' || !before) return now.realServers;
  const wanted = new Set(now.realServers.map(endpointText));
  const gone = before.realServers.filter((server) => !wanted.has(endpointText(server)));
  return [...now.realServers, ...gone.map((server) => ({ ...server, weight: 0 }))];
}

const keyOf = ({ address, port, protocol }: VirtualServer) => `${protocol} ${address}:${port}`;

/** The node's own end of its pod network, one of its addresses like any other. */
const gatewayOf = (podCidr: string) => podCidr.replace(/\.\d+\/\d+$/, '.1');
