import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import { AXES, type AxisTexts, kubernetesVersion } from '../../harness/contracts/axes.ts';
import { BALANCERS, type BalancerName, balancersSeen } from '../../harness/platforms/balancers.ts';
import { ciliumOf, DATAPLANES, type DataplaneName } from '../../harness/platforms/dataplanes.ts';
import { behaviourOf } from '../control-plane/kubernetes-versions.ts';
import { isReady } from '../kubernetes/api/views.ts';
import { nodesWithEndpoints } from '../kubernetes/front/entrance.ts';
import { isBackend } from '../kubernetes/front/passthrough-balancer.ts';

/** What of a cluster decides what a release does to its connections, as its API tells it. */
export interface Findings {
  /** Such as `v1.20.2`. */
  readonly version: string;
  readonly nodes: readonly V1Node[];
  /** Names of the DaemonSets of kube-system, and of its pods that are kube-proxies; undefined where they may not be read. */
  readonly agents: readonly string[] | undefined;
  /** The image that Cilium's agents run; undefined where there are none, or they may not be read. */
  readonly ciliumImage?: string | undefined;
  /** kube-proxy's own word for its mode; undefined where nobody tells it. */
  readonly proxyMode: string | undefined;
  /** Addresses that some Service of type LoadBalancer has been given. */
  readonly balanced: readonly string[];
}

/** The nodes that a cloud's balancer would send to. */
export const backendsOf = (nodes: readonly V1Node[]): V1Node[] =>
  nodes.filter((node) => isBackend(node) && isReady(node));

/** What is predicted where nobody tells the version: 1.12 to 1.18 lose the same, un-selected or not ready. */
const CILIUM_UNTOLD: DataplaneName = 'cilium-1.16';

/** Cilium in words and as the version of it that is modelled. */
function ciliumIn(image: string | undefined, words: string): { words: string; axis: DataplaneName } {
  const tag = image?.replace(/@.*$/, '').split(':').at(-1) ?? '';
  const axis = ciliumOf(tag);
  return axis === undefined
    ? { words: `${words}; its version is not told: predicted as ${CILIUM_UNTOLD}`, axis: CILIUM_UNTOLD }
    : { words: `${words}, ${tag}: predicted as ${axis}`, axis };
}

/** What turns Services into rules on the nodes, in words and as the axis that models it; undefined: nobody tells. */
export function dataplaneOf({ agents, ciliumImage, proxyMode, version }: Findings): {
  readonly words: string;
  readonly axis: DataplaneName | undefined;
} {
  const runs = (name: string) => agents?.some((agent) => agent === name || agent.startsWith(`${name}-`));
  if (runs('anetd')) return ciliumIn(ciliumImage, 'Dataplane V2: Cilium (anetd)');
  const byProxy = proxyMode ?? (runs('kube-proxy') ? 'iptables' : undefined);
  if (byProxy === undefined && runs('cilium')) return ciliumIn(ciliumImage, 'Cilium without kube-proxy');
  if (byProxy === undefined)
    return {
      words: agents === undefined ? 'unknown: kube-system may not be read' : 'unknown',
      axis: undefined,
    };
  const kubernetes = kubernetesVersion(version);
  const old =
    byProxy === 'iptables' && kubernetes !== undefined && behaviourOf(kubernetes).kubeProxy === '1.22';
  const told = proxyMode === undefined ? 'its default, nobody tells' : 'as it says itself';
  return {
    words: `kube-proxy, ${byProxy} (${told}${old ? '; with the chains of before 1.24' : ''})`,
    axis: Object.hasOwn(DATAPLANES, byProxy) ? (byProxy as DataplaneName) : undefined,
  };
}

/** Clouds by the scheme of a node's providerID. */
const CLOUDS: Readonly<Record<string, string>> = { gce: 'Google', aws: 'AWS', azure: 'Azure' };

/** What gives Services of type LoadBalancer their addresses, in words and as the axis; undefined: not one that is modelled. */
export function balancerOf(
  { nodes, balanced, agents = [] }: Findings,
  service?: V1Service,
): { readonly words: string; readonly axis: BalancerName | undefined; readonly exists: boolean } {
  const provider = nodes
    .map(({ spec }) => spec?.providerID?.split(':')[0] ?? '')
    .find((one) => one in CLOUDS);
  const names = balancersSeen({
    provider,
    agents,
    annotations: service?.metadata?.annotations ?? {},
    finalizers: service?.metadata?.finalizers ?? [],
    loadBalancerClass: service?.spec?.loadBalancerClass,
  });
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0)
    return { words: BALANCERS[only].title, axis: only, exists: true };
  if (only !== undefined)
    return {
      words: `${names.map((name) => BALANCERS[name].title).join(', or ')}: the Service does not tell; choose with --balancer ${names.join('|')}`,
      axis: undefined,
      exists: true,
    };
  if (provider !== undefined)
    return {
      words: `${CLOUDS[provider]}'s, of a kind that is not modelled here`,
      axis: undefined,
      exists: true,
    };
  return balanced.length > 0
    ? { words: `one that is not known here; it gave ${balanced[0]}`, axis: undefined, exists: true }
    : { words: 'none known: no Service has been given an address', axis: undefined, exists: false };
}

/** A Service as far as it decides what happens to its connections. */
export interface Subject {
  readonly service: V1Service;
  readonly slices: readonly V1EndpointSlice[];
}

/** What the API tells about the Service itself: name -> what was found. */
export function serviceFacts({ service, slices }: Subject): Record<string, string> {
  const { metadata, spec, status } = service;
  const name = metadata?.name ?? '';
  const ready = readyEndpoints(slices);
  const nodes = [...nodesWithEndpoints(name, slices)].sort();
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
  const selector = Object.entries(spec?.selector ?? {}).map(([label, value]) => `${label}=${value}`);
  return {
    service: `${metadata?.namespace}/${name}, type ${spec?.type}${addresses.length > 0 ? `, ${addresses.join(', ')}` : ''}`,
    externalTrafficPolicy: spec?.externalTrafficPolicy ?? 'Cluster',
    sessionAffinity: spec?.sessionAffinity ?? 'None',
    trafficDistribution: distributionInWords(spec?.trafficDistribution, slices),
    selector: selector.join(',') || 'none',
    endpoints: `${ready} ready on ${nodes.length === 0 ? 'no node' : nodes.join(', ')}`,
    'health check': spec?.healthCheckNodePort
      ? `node port ${spec.healthCheckNodePort} of this Service: fails on nodes without an endpoint`
      : 'port 10256, kube-proxy itself: knows nothing of endpoints',
  };
}

/** What the Service asks for, and whether its ready endpoints carry the hints that kube-proxy goes by. */
function distributionInWords(asked: string | undefined, slices: readonly V1EndpointSlice[]): string {
  const ready = slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false);
  const hinted = ready.filter(({ hints }) => hints?.forNodes?.length || hints?.forZones?.length).length;
  if (asked === undefined && hinted === 0) return 'none: any endpoint';
  return `${asked ?? 'none'}: ${hinted} of ${ready.length} ready endpoints carry hints`;
}

/** The Service's trafficDistribution as the axis, where it is one that is modelled. */
export const distributionOf = ({ spec }: V1Service): string | undefined =>
  AXES.trafficDistribution.schema.safeParse(spec?.trafficDistribution ?? 'none').data;

export const readyEndpoints = (slices: readonly V1EndpointSlice[]): number =>
  slices.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false)
    .length;

/**
 * The axes that the cluster decides by itself. Through a node port no balancer is in the way and a client stays with
 * the node that it dialled, which is what a pool does that never moves a flow.
 */
export function axesOf(findings: Findings, entrance: 'load-balancer' | 'node-port'): AxisTexts {
  const proxy = dataplaneOf(findings).axis;
  const balancer = balancerOf(findings).axis;
  const nodes = backendsOf(findings.nodes).length;
  const kubernetes = kubernetesVersion(findings.version);
  return {
    ...(kubernetes === undefined ? {} : { kubernetes }),
    ...(nodes > 0 ? { nodes: String(nodes) } : {}),
    ...(proxy === undefined ? {} : { proxy }),
    ...(entrance === 'node-port'
      ? { balancer: 'target-pool-persistent' }
      : balancer === undefined
        ? {}
        : { balancer }),
  } as AxisTexts;
}
