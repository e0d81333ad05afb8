import { isIPv4 } from 'node:net';
import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';

/** One endpoint of one service port, as kube-proxy's endpoint slice cache keeps it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Runs on the node that the rules are for. */
  readonly local: boolean;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Whether the EndpointSlice controller means it for the node, and for its zone; undefined where it gives no such hint. */
  readonly forNode?: boolean;
  readonly forZone?: boolean;
}

/** One port of one Service with all that kube-proxy's rules depend on, IPv4 only (k8s pkg/proxy/service.go). */
export interface ServicePort {
  /** `namespace/service:port`, or `namespace/service` when the port has no name; hashed into chain names. */
  readonly name: string;
  readonly namespace: string;
  readonly service: string;
  readonly portName: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly clusterAddress: string;
  readonly port: number;
  /** Absent when the Service has none. */
  readonly nodePort?: number;
  readonly externalAddresses: readonly string[];
  /** IP addresses of the balancer; an ingress with only a host name has none. */
  readonly balancerAddresses: readonly string[];
  readonly sourceRanges: readonly string[];
  /** sessionAffinity ClientIP: how long a client stays with its endpoint, in seconds; absent without affinity. */
  readonly stickySeconds?: number;
  /** externalTrafficPolicy Local, where it means something. */
  readonly externalLocal: boolean;
  readonly internalLocal: boolean;
  readonly healthCheckNodePort?: number;
  /** In kube-proxy's order: by the text `address:port`. */
  readonly endpoints: readonly Endpoint[];
}

/**
 * Which kube-proxy reads the objects: up to 1.23 (`1.22`) an endpoint is known by its address alone,
 * internalTrafficPolicy is not looked at (off by default) and externalIPs of a ClusterIP Service have no policy; nor
 * are hints heeded. Up to 1.25 only ready endpoints count.
 */
export type Vintage = '1.22' | '1.24' | 'current';

/** Where the rules are for. */
export interface Place {
  readonly node: string;
  /** The node's `topology.kubernetes.io/zone`; undefined where it has none. */
  readonly zone?: string | undefined;
}

export const endpointText = (endpoint: { readonly address: string; readonly port: number }) =>
  `${endpoint.address}:${endpoint.port}`;

/**
 * Every port that kube-proxy makes rules for, ordered by namespace, name and place in the Service; headless and
 * ExternalName Services have none. Reads slices of discovery v1 and v1beta1 (k8s pkg/proxy/endpointslicecache.go).
 */
export function servicePorts(
  services: readonly V1Service[],
  slices: readonly V1EndpointSlice[],
  place: Place,
  vintage: Vintage,
): ServicePort[] {
  const byName = (a: V1Service | V1EndpointSlice, b: V1Service | V1EndpointSlice) =>
    compare(`${namespaceOf(a)}/${a.metadata?.name}`, `${namespaceOf(b)}/${b.metadata?.name}`);
  const ordered = slices.toSorted(byName);
  return services.toSorted(byName).flatMap((service) => portsOf(service, ordered, place, vintage));
}

function portsOf(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  place: Place,
  vintage: Vintage,
): ServicePort[] {
  const spec = service.spec ?? {};
  const clusterAddress = (spec.clusterIPs ?? [spec.clusterIP]).find((address) => address && isIPv4(address));
  if (!clusterAddress || spec.clusterIP === 'None' || spec.type === 'ExternalName') return [];

  const namespace = namespaceOf(service);
  const name = service.metadata?.name ?? '';
  const own = slices.filter(
    (slice) =>
      namespaceOf(slice) === namespace && slice.metadata?.labels?.['kubernetes.io/service-name'] === name,
  );
  const externalAddresses = (spec.externalIPs ?? []).filter((address) => isIPv4(address));
  const exposed = spec.type === 'LoadBalancer' || spec.type === 'NodePort';
  const hasPolicy = exposed || (vintage !== '1.22' && (spec.externalIPs ?? []).length > 0);
  const externalLocal = hasPolicy && spec.externalTrafficPolicy === 'Local';
  const healthCheckNodePort = spec.type === 'LoadBalancer' && externalLocal ? spec.healthCheckNodePort : 0;
  // A balancer that proxies (ipMode Proxy) does not deliver packets addressed to its own address.
  const balancerAddresses = (service.status?.loadBalancer?.ingress ?? [])
    .filter((ingress) => vintage === '1.22' || ingress.ipMode !== 'Proxy')
    .flatMap(({ ip }) => (ip && isIPv4(ip) ? [ip] : []));

  return (spec.ports ?? []).map((port) => {
    const portName = port.name ?? '';
    const protocol = (port.protocol ?? 'TCP').toLowerCase() as ServicePort['protocol'];
    return {
      name: `${namespace}/${name}${portName && `:${portName}`}`,
      namespace,
      service: name,
      portName,
      protocol,
      clusterAddress,
      port: port.port,
      ...(port.nodePort ? { nodePort: port.nodePort } : {}),
      externalAddresses,
      balancerAddresses,
      sourceRanges: sourceRanges(spec.loadBalancerSourceRanges ?? [], vintage),
      ...(spec.sessionAffinity === 'ClientIP'
        ? { stickySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 }
        : {}),
      externalLocal,
      internalLocal: vintage !== '1.22' && spec.internalTrafficPolicy === 'Local',
      ...(healthCheckNodePort ? { healthCheckNodePort } : {}),
      endpoints: endpointsOf(own, portName, protocol, place, vintage),
    };
  });
}

/** discovery v1beta1 names the node in `topology`; v1 keeps what is left of that in `deprecatedTopology`. */
interface AnyEndpoint {
  readonly addresses?: readonly string[] | null;
  readonly conditions?: {
    readonly ready?: boolean | null;
    readonly serving?: boolean | null;
    readonly terminating?: boolean | null;
  } | null;
  readonly nodeName?: string | null;
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[] | null;
    readonly forNodes?: readonly { readonly name: string }[] | null;
  } | null;
  readonly topology?: Readonly<Record<string, string>> | null;
  readonly deprecatedTopology?: Readonly<Record<string, string>> | null;
}

function endpointsOf(
  slices: readonly V1EndpointSlice[],
  portName: string,
  protocol: string,
  place: Place,
  vintage: Vintage,
): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices)
    for (const { name, protocol: spoken, port } of slice.ports ?? []) {
      if ((name ?? '') !== portName || (spoken ?? 'TCP').toLowerCase() !== protocol || !port) continue;
      for (const each of (slice.endpoints ?? []) as readonly AnyEndpoint[]) {
        const endpoint = endpointOf(each, port, place, vintage);
        if (!endpoint || (vintage !== 'current' && !endpoint.ready)) continue;
        // An endpoint that moves between slices is in both for a while; one that knows it is local wins.
        const key = vintage === '1.22' ? endpoint.address : endpointText(endpoint);
        if (!found.has(key) || endpoint.local) found.set(key, endpoint);
      }
    }
  return [...found.values()].sort((a, b) => compare(endpointText(a), endpointText(b)));
}

function endpointOf(
  endpoint: AnyEndpoint,
  port: number,
  place: Place,
  vintage: Vintage,
): Endpoint | undefined {
  const address = endpoint.addresses?.[0];
  if (!address || !isIPv4(address)) return undefined;
  const topology = endpoint.topology ?? endpoint.deprecatedTopology;
  // Conditions that are not said mean ready, serving and not terminating.
  return {
    address,
    port,
    local: (endpoint.nodeName ?? topology?.['kubernetes.io/hostname']) === place.node,
    ready: endpoint.conditions?.ready ?? true,
    serving: endpoint.conditions?.serving ?? true,
    terminating: endpoint.conditions?.terminating ?? false,
    ...(vintage === '1.22'
      ? {}
      : {
          ...hinted('forNode', endpoint.hints?.forNodes, place.node),
          ...hinted('forZone', endpoint.hints?.forZones, place.zone),
        }),
  };
}

/** Valid IPv4 ranges; one that holds every address is as good as none (k8s 1.36 pkg/proxy/serviceport.go). */
function sourceRanges(given: readonly string[], vintage: Vintage): readonly string[] {
  const ranges = given
    .map((range) => range.trim())
    .filter(isRange)
    .map(network);
  return vintage === 'current' && ranges.some((range) => range.endsWith('/0')) ? [] : ranges;
}

const hinted = (
  key: 'forNode' | 'forZone',
  hints: readonly { readonly name: string }[] | null | undefined,
  here: string | undefined,
) => (hints == null || hints.length === 0 ? {} : { [key]: hints.some(({ name }) => name === here) });

/** An IPv4 range in CIDR notation. */
function isRange(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  return isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32 && rest.length === 0;
}

/** The range with its host bits cleared, as the kernel keeps it. */
function network(range: string): string {
  const [base = '', bits = '32'] = range.split('/');
  const size = 2 ** (32 - Number(bits));
  const number = Math.floor(numberOf(base) / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')}/${Number(bits)}`;
}

/** Whether an IPv4 range contains an address. */
export function contains(range: string, address: string): boolean {
  const [base = '', bits = '32'] = range.split('/');
  const size = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(base) / size) === Math.floor(numberOf(address) / size);
}

const numberOf = (address: string) =>
  address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0);
const namespaceOf = (object: V1Service | V1EndpointSlice) => object.metadata?.namespace ?? 'default';
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
