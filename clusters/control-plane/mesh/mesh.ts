import type { KubernetesObject, V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node';
import { type Millis, parseDuration } from '../../../harness/time/duration.ts';
import { PROXY_CONFIG_ANNOTATION } from '../../../harness/workload/mesh-workload.ts';
import { endpointsOf, type IngressBackend, type IngressRoute } from '../ingress/ingress.ts';
import { annotationsOf, hasLabels, labelsOf, nameOf } from '../store/objects.ts';

/** How long Envoy lets connections of a changed listener live: Istio's drainDuration (istio pkg/config/mesh/mesh.go). */
export const DRAIN_DURATION: Millis = 45_000;
/** pilot-agent's terminationDrainDuration: from SIGTERM to the end of Envoy (istio pkg/config/mesh/mesh.go). */
const TERMINATION_DRAIN_DURATION: Millis = 5000;
/** MINIMUM_DRAIN_DURATION (istio pilot/cmd/pilot-agent/options/options.go). */
const MINIMUM_DRAIN_DURATION: Millis = 5000;
/** How often pilot-agent asks Envoy for its active connections (istio pkg/envoy/agent.go activeConnectionCheckDelay). */
const ACTIVE_CONNECTION_CHECK: Millis = 1000;
/** A HTTP stream on which nothing moves for this long is reset (envoy stream_idle_timeout). */
const STREAM_IDLE_TIMEOUT: Millis = 300_000;
/** The same of a proxied TCP connection (envoy tcp_proxy idle_timeout). */
const TCP_IDLE_TIMEOUT: Millis = 3_600_000;
/** istiod waits for this much quiet before it pushes, and at most for `most` (istio pilot PILOT_DEBOUNCE_AFTER, _MAX). */
export const DEBOUNCE = { quiet: 100, most: 10_000 } as const;

/** The part of networking.istio.io/v1 that is understood here. */
export interface IstioGateway extends KubernetesObject {
  spec?: {
    selector?: Record<string, string>;
    servers?: { port: { number: number; name: string; protocol: string }; hosts: string[] }[];
  };
}

interface Destination {
  destination: { host: string; subset?: string; port?: { number: number } };
  weight?: number;
}

export interface VirtualService extends KubernetesObject {
  spec?: {
    hosts?: string[];
    gateways?: string[];
    http?: { route?: Destination[] }[];
    tcp?: { match?: { port?: number }[]; route?: Destination[] }[];
  };
}

export interface DestinationRule extends KubernetesObject {
  spec?: { host?: string; subsets?: { name: string; labels?: Record<string, string> }[] };
}

/** The objects that istiod watches. */
export interface MeshObjects {
  readonly gateways: readonly IstioGateway[];
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
  readonly pods: readonly V1Pod[];
}

/** One listener as the listener discovery service gives it to Envoy. */
export interface MeshListener {
  readonly port: number;
  readonly protocol: 'HTTP' | 'TCP';
  /** Names one of `routes`. */
  readonly route: string;
  /** All that stands in the listener itself; where it differs, connections of the old one are drained. */
  readonly chain: string;
}

/** What istiod tells one proxy, by discovery service: LDS, RDS and CDS/EDS. */
export interface MeshConfig {
  readonly listeners: readonly MeshListener[];
  readonly routes: readonly IngressRoute[];
  readonly clusters: readonly IngressBackend[];
}

/**
 * The configuration of a gateway proxy with these labels. A HTTP listener names its route configuration, which RDS
 * carries, so that weights change without touching it; the weighted clusters of a TCP route stand in the listener's
 * own filter chain, so that every change of weight is a change of the listener (istio#38616; FACTS G).
 */
export function meshConfig(objects: MeshObjects, labels: Readonly<Record<string, string>>): MeshConfig {
  const listeners: MeshListener[] = [];
  const routes: IngressRoute[] = [];
  const clusters = new Map<string, IngressBackend>();
  for (const gateway of objects.gateways) {
    if (!hasLabels(labels, gateway.spec?.selector ?? {})) continue;
    for (const { port } of gateway.spec?.servers ?? []) {
      const protocol = port.protocol === 'TCP' ? 'TCP' : 'HTTP';
      const destinations = destinationsOf(objects, nameOf(gateway), protocol, port.number);
      // Without a TCP route there is no filter chain, hence no listener; HTTP answers 404 by itself.
      if (destinations === undefined && protocol === 'TCP') continue;
      const choices = (destinations ?? []).map(({ destination, weight }, _index, all) => {
        const name = clusterName(destination);
        if (!clusters.has(name)) clusters.set(name, clusterOf(objects, name, destination));
        return { backend: name, weight: weight ?? (all.length === 1 ? 100 : 0) };
      });
      const route = `${protocol.toLowerCase()}.${port.number}`;
      routes.push({ name: route, choices });
      const inChain = protocol === 'TCP' ? choices : route;
      const chain = JSON.stringify([protocol, port.number, inChain]);
      listeners.push({ port: port.number, protocol, route, chain });
    }
  }
  return { listeners, routes, clusters: [...clusters.values()] };
}

/** The first VirtualService of the gateway that has a route of this protocol, and its first such route. */
function destinationsOf(
  { virtualServices }: MeshObjects,
  gateway: string,
  protocol: 'HTTP' | 'TCP',
  port: number,
): Destination[] | undefined {
  for (const { spec } of virtualServices) {
    if (!spec?.gateways?.includes(gateway)) continue;
    const route =
      protocol === 'HTTP'
        ? spec.http?.[0]
        : spec.tcp?.find(({ match }) => match === undefined || match.some((one) => one.port === port));
    if (route?.route !== undefined) return route.route;
  }
  return undefined;
}

const clusterName = ({ host, subset, port }: Destination['destination']) =>
  `outbound|${port?.number ?? ''}|${subset ?? ''}|${host}`;

/** The ready endpoints of the host's Service whose pods carry the subset's labels. */
function clusterOf(
  objects: MeshObjects,
  name: string,
  { host, subset, port }: Destination['destination'],
): IngressBackend {
  const service = objects.services.find((candidate) => nameOf(candidate) === host);
  const rule = objects.destinationRules.find(({ spec }) => spec?.host === host);
  const labels = rule?.spec?.subsets?.find((one) => one.name === subset)?.labels;
  // A subset that no DestinationRule defines has no endpoint.
  if (subset !== undefined && labels === undefined) return { name, endpoints: [] };
  const members = new Set(
    objects.pods.filter((pod) => hasLabels(labelsOf(pod), labels ?? {})).map((pod) => nameOf(pod)),
  );
  const slices = objects.slices.map((slice) => ({
    ...slice,
    endpoints: (slice.endpoints ?? []).filter(({ targetRef }) => members.has(targetRef?.name ?? '')),
  }));
  return { name, endpoints: endpointsOf(service, port?.number, slices) };
}

/** Listeners of `before` that are gone or differ in `after`: their connections are drained (envoy listeners/lds.rst). */
export function drainedListeners(before: MeshConfig, after: MeshConfig): readonly MeshListener[] {
  const chains = new Set(after.listeners.map(({ chain }) => chain));
  return before.listeners.filter(({ chain }) => !chains.has(chain));
}

/** How long a connection of a listener may be silent. */
export const idleTimeout = ({ protocol }: MeshListener): Millis =>
  protocol === 'HTTP' ? STREAM_IDLE_TIMEOUT : TCP_IDLE_TIMEOUT;

/** How pilot-agent ends the Envoy beside it. */
export interface AgentSettings {
  readonly exitOnZero: boolean;
  readonly terminationDrain: Millis;
  readonly minimumDrain: Millis;
}

/**
 * Reads a pod's `proxy.istio.io/config`: `terminationDrainDuration` and, in its `proxyMetadata`,
 * EXIT_ON_ZERO_ACTIVE_CONNECTIONS (false) and MINIMUM_DRAIN_DURATION. JSON only, which is YAML too.
 */
export function agentSettings(pod: KubernetesObject): AgentSettings {
  const text = annotationsOf(pod)[PROXY_CONFIG_ANNOTATION] ?? '{}';
  const { terminationDrainDuration, proxyMetadata = {} } = JSON.parse(text) as {
    terminationDrainDuration?: string;
    proxyMetadata?: Record<string, string>;
  };
  const duration = (value: string | undefined, fallback: Millis) =>
    value === undefined ? fallback : parseDuration(value);
  return {
    exitOnZero: proxyMetadata.EXIT_ON_ZERO_ACTIVE_CONNECTIONS === 'true',
    terminationDrain: duration(terminationDrainDuration, TERMINATION_DRAIN_DURATION),
    minimumDrain: duration(proxyMetadata.MINIMUM_DRAIN_DURATION, MINIMUM_DRAIN_DURATION),
  };
}

/**
 * What pilot-agent does `since` its SIGTERM (istio pkg/envoy/agent.go terminate): it drains the listeners, which
 * closes no upgraded stream (istio#54060), and aborts Envoy when terminationDrainDuration is over, whoever is still
 * connected; with EXIT_ON_ZERO_ACTIVE_CONNECTIONS it waits for the minimum and then until nobody is. Returns when to
 * ask again, or `abort`.
 */
export function agentTermination(
  settings: AgentSettings,
  since: Millis,
  connections: number,
): 'abort' | { readonly askAfter: Millis } {
  const { exitOnZero, terminationDrain, minimumDrain } = settings;
  const wait = exitOnZero ? minimumDrain + ACTIVE_CONNECTION_CHECK : terminationDrain;
  if (since < wait) return { askAfter: wait - since };
  return exitOnZero && connections > 0 ? { askAfter: ACTIVE_CONNECTION_CHECK } : 'abort';
}
