import { isDeepStrictEqual } from 'node:util';
import type {
  DiscoveryV1EndpointPort,
  V1Endpoint,
  V1EndpointSlice,
  V1Node,
  V1Pod,
  V1Service,
} from '@kubernetes/client-node';
import { behaviourOf, type KubernetesBehaviour } from '../kubernetes-versions.ts';
import { hasLabels, isDeleting, labelsOf, nameOf, ownedBy, uidOf } from '../store/objects.ts';
import { isPodFinished, isPodReady } from '../store/pods.ts';
import { zoneOfNode } from './scheduler.ts';

/** The label that ties a slice to its Service. */
export const SERVICE_NAME = 'kubernetes.io/service-name';

/** kube-controller-manager --max-endpoints-per-slice. */
const MOST_PER_SLICE = 100;

export interface SliceOptions {
  /** KEP-1672, on by default since 1.22: terminating pods stay listed, and `serving` and `terminating` are told. */
  readonly terminating?: boolean;
  readonly mostPerSlice?: number;
  /** Values of trafficDistribution that this release turns into hints. Default: those of the newest. */
  readonly trafficDistribution?: KubernetesBehaviour['trafficDistribution'];
}

/** What one sync of the EndpointSlice controller wants written. */
export interface SliceChanges {
  readonly created: readonly V1EndpointSlice[];
  readonly updated: readonly V1EndpointSlice[];
  readonly removed: readonly string[];
}

/**
 * One sync of the EndpointSlice controller for one Service (k8s staging/src/k8s.io/endpointslice/reconciler.go,
 * FACTS D). A pod that is no longer selected simply vanishes, without ever being terminating. A Service without
 * selector is left to whoever writes its slices.
 */
export function syncEndpointSlices(
  service: V1Service,
  pods: readonly V1Pod[],
  nodes: readonly V1Node[],
  existing: readonly V1EndpointSlice[],
  {
    terminating = true,
    mostPerSlice = MOST_PER_SLICE,
    trafficDistribution = behaviourOf('1.37').trafficDistribution,
  }: SliceOptions = {},
): SliceChanges {
  const selector = service.spec?.selector;
  if (selector === undefined || Object.keys(selector).length === 0)
    return { created: [], updated: [], removed: [] };
  const zones = new Map(nodes.map((node) => [nameOf(node), zoneOfNode(node)]));
  const distribution = trafficDistribution.find((value) => value === service.spec?.trafficDistribution);
  const groups = new Map<string, { ports: DiscoveryV1EndpointPort[]; endpoints: V1Endpoint[] }>();
  for (const pod of pods) {
    if (!hasLabels(labelsOf(pod), selector) || !belongs(pod, terminating)) continue;
    const told = { zone: zones.get(pod.spec?.nodeName ?? ''), distribution, terminating };
    const { key, ports, endpoint } = listed(pod, service, told);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpoint);
    groups.set(key, group);
  }
  const created: V1EndpointSlice[] = [];
  const updated: V1EndpointSlice[] = [];
  const kept: V1EndpointSlice[] = [];
  const removed: string[] = [];
  for (const [key, { ports, endpoints }] of groups) {
    const mine = existing.filter((slice) => JSON.stringify(slice.ports ?? []) === key);
    const changes = pack(endpoints, mine, mostPerSlice);
    updated.push(...changes.updated);
    kept.push(...changes.kept);
    removed.push(...changes.emptied);
    created.push(...changes.more.map((chunk) => sliceOf(service, ports, chunk)));
  }
  for (const slice of existing)
    if (!groups.has(JSON.stringify(slice.ports ?? []))) removed.push(nameOf(slice));
  // Upstream keeps one empty slice as a placeholder, so that "no endpoints" can be told from "not yet looked".
  if (created.length + updated.length + kept.length === 0) {
    const placeholder = existing[0];
    if (placeholder === undefined) return { created: [sliceOf(service, [], [])], updated, removed };
    const { ports: _ports, ...rest } = placeholder;
    const emptied = { ...rest, endpoints: [], ports: [] };
    const same = isDeepStrictEqual(emptied, placeholder);
    return {
      created,
      updated: same ? [] : [emptied],
      removed: removed.filter((name) => name !== nameOf(placeholder)),
    };
  }
  return { created, updated, removed };
}

/** ShouldPodBeInEndpoints: has an address and has not finished. */
const belongs = (pod: V1Pod, terminating: boolean) =>
  pod.status?.podIP !== undefined && !isPodFinished(pod) && (terminating || !isDeleting(pod));

/** What a pod's endpoint tells beside what the pod and its Service say. */
interface Told {
  readonly zone: string | undefined;
  /** How the Service asks for hints, where this release makes any. */
  readonly distribution: KubernetesBehaviour['trafficDistribution'][number] | undefined;
  readonly terminating: boolean;
}

interface Listed {
  readonly service: V1Service;
  readonly told: Told;
  /** Tells pods apart that offer the Service's ports by different numbers. */
  readonly key: string;
  readonly ports: DiscoveryV1EndpointPort[];
  readonly endpoint: V1Endpoint;
}

/** Stored objects never change, so what a pod comes to in a slice is worked out once for each of its versions. */
const worked = new WeakMap<V1Pod, Listed>();

const isSameTold = (one: Told, other: Told) =>
  one.zone === other.zone && one.distribution === other.distribution && one.terminating === other.terminating;

function listed(pod: V1Pod, service: V1Service, told: Told): Listed {
  const known = worked.get(pod);
  if (known?.service === service && isSameTold(known.told, told)) return known;
  const ports = portsOf(service, pod);
  const endpoint = endpointOf(pod, service, told);
  const found = { service, told, key: JSON.stringify(ports), ports, endpoint };
  worked.set(pod, found);
  return found;
}

function endpointOf(pod: V1Pod, service: V1Service, told: Told): V1Endpoint {
  const { zone } = told;
  const serving = isPodReady(pod);
  const terminating = isDeleting(pod);
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const nodeName = pod.spec?.nodeName;
  return {
    addresses: [pod.status?.podIP as string],
    conditions: told.terminating ? { ready, serving, terminating } : { ready },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(ready ? hintsFor(told, nodeName) : {}),
    targetRef: { kind: 'Pod', name: nameOf(pod), namespace: 'default', uid: uidOf(pod) },
  };
}

/** Each ready endpoint is meant for its own zone, with PreferSameNode also for its own node (endpointslice/trafficdist). */
function hintsFor({ zone, distribution }: Told, node: string | undefined): Pick<V1Endpoint, 'hints'> {
  if (distribution === undefined) return {};
  const forZones = zone === undefined ? {} : { forZones: [{ name: zone }] };
  const forNodes =
    distribution === 'PreferSameNode' && node !== undefined ? { forNodes: [{ name: node }] } : {};
  const hints = { ...forZones, ...forNodes };
  return Object.keys(hints).length > 0 ? { hints } : {};
}

/** The Service's ports as this pod offers them; a named targetPort the pod does not have is left out. */
function portsOf(service: V1Service, pod: V1Pod): DiscoveryV1EndpointPort[] {
  const offered = (pod.spec?.containers ?? []).flatMap(({ ports }) => ports ?? []);
  return (service.spec?.ports ?? []).flatMap(({ name = '', port, targetPort = port, protocol = 'TCP' }) => {
    const number =
      typeof targetPort === 'number'
        ? targetPort
        : offered.find((one) => one.name === targetPort && (one.protocol ?? 'TCP') === protocol)
            ?.containerPort;
    return number === undefined ? [] : [{ name, port: number, protocol }];
  });
}

/**
 * Changes as few slices as possible: endpoints stay where they are; new ones fill the slices that change anyway,
 * then one slice with room for all the rest, then new slices (reconcileByPortMapping).
 */
function pack(endpoints: readonly V1Endpoint[], slices: readonly V1EndpointSlice[], most: number) {
  const wanted = new Map(endpoints.map((endpoint) => [endpoint.targetRef?.uid, endpoint]));
  const plans = slices.map((slice) => {
    const staying: V1Endpoint[] = [];
    for (const { targetRef } of slice.endpoints ?? []) {
      const endpoint = wanted.get(targetRef?.uid);
      if (endpoint === undefined) continue;
      wanted.delete(targetRef?.uid);
      staying.push(endpoint);
    }
    return { slice, endpoints: staying, changes: !isDeepStrictEqual(staying, slice.endpoints) };
  });
  const left = [...wanted.values()];
  for (const plan of plans) if (plan.changes && plan.endpoints.length > 0) fill(plan.endpoints, left, most);
  if (left.length > 0) {
    const roomy = plans.find((plan) => !plan.changes && plan.endpoints.length + left.length <= most);
    if (roomy !== undefined) {
      roomy.changes = true;
      fill(roomy.endpoints, left, most);
    }
  }
  // A slice that would be empty is reused before a new one is made.
  for (const plan of plans) if (plan.endpoints.length === 0) fill(plan.endpoints, left, most);
  const more: V1Endpoint[][] = [];
  while (left.length > 0) more.push(left.splice(0, most));
  return {
    updated: plans
      .filter((plan) => plan.changes && plan.endpoints.length > 0)
      .map((plan) => ({ ...plan.slice, endpoints: plan.endpoints })),
    kept: plans.filter((plan) => !plan.changes && plan.endpoints.length > 0).map(({ slice }) => slice),
    emptied: plans.filter((plan) => plan.endpoints.length === 0).map(({ slice }) => nameOf(slice)),
    more,
  };
}

function fill(slice: V1Endpoint[], left: V1Endpoint[], most: number): void {
  slice.push(...left.splice(0, Math.max(0, most - slice.length)));
}

const sliceOf = (
  service: V1Service,
  ports: DiscoveryV1EndpointPort[],
  endpoints: V1Endpoint[],
): V1EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    generateName: `${nameOf(service)}-`,
    labels: {
      [SERVICE_NAME]: nameOf(service),
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    },
    ownerReferences: [ownedBy(service)],
  },
  addressType: 'IPv4',
  endpoints,
  ports,
});
