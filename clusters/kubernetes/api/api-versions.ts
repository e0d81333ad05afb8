import type { V1Endpoint, V1EndpointSlice, V1ObjectMeta } from '@kubernetes/client-node';
import { API_VERSIONS } from '../../../harness/contracts/kube.ts';
import { KubeError } from '../../../harness/errors.ts';

/** The API groups that a server serves, each with its versions in the server's order of preference. */
export type ServedGroups = ReadonlyMap<string, readonly string[]>;

/** What `GET /apis` answers, as far as it is read here. */
export interface GroupList {
  readonly groups: readonly { readonly name: string; readonly versions: readonly { version: string }[] }[];
}

export const servedGroups = (list: GroupList): ServedGroups =>
  new Map(list.groups.map(({ name, versions }) => [name, versions.map(({ version }) => version)]));

/**
 * Versions with one and the same shape, newest first, for kinds whose group also serves another shape
 * (`autoscaling/v1` has no metrics). Kubernetes 1.20 serves the beta ones only.
 */
const SAME_SHAPE: Readonly<Record<string, readonly string[]>> = {
  EndpointSlice: ['v1', 'v1beta1'],
  HorizontalPodAutoscaler: ['v2', 'v2beta2'],
  PodDisruptionBudget: ['v1', 'v1beta1'],
  Eviction: ['v1', 'v1beta1'],
};

/**
 * The API version to speak of `kind` in with this server, for instance `discovery.k8s.io/v1beta1` on 1.20. A manifest's
 * own version (`asked`) decides the group: Istio and the Gateway API both have a Gateway.
 * @throws KubeError NotFound when the server serves none, as where a CRD is not installed.
 */
export function servedVersion(kind: string, groups: ServedGroups, asked?: string): string {
  const written = asked ?? API_VERSIONS[kind];
  if (written === undefined) throw new KubeError('NotFound', `kind ${kind}: no API version is known for it`);
  const [group, version] = written.split('/') as [string, string | undefined];
  if (version === undefined) return written;
  const served = groups.get(group) ?? [];
  const wanted = SAME_SHAPE[kind] ?? [version, ...served];
  const chosen = wanted.find((candidate) => served.includes(candidate));
  if (chosen === undefined)
    throw new KubeError(
      'NotFound',
      `kind ${kind}: the server serves ${served.length === 0 ? `no version of ${group}` : `${group} ${served.join(', ')} only`}, needed is ${wanted.join(' or ')}`,
    );
  return `${group}/${chosen}`;
}

/** An endpoint as discovery.k8s.io/v1beta1 has it: the node's name is a topology key (removed in v1). */
type BetaEndpoint = V1Endpoint & { readonly topology?: Readonly<Record<string, string>> };

/** A slice in the shape of discovery.k8s.io/v1, whichever version it was read in. */
export function asSliceV1(slice: V1EndpointSlice): V1EndpointSlice {
  if (slice.apiVersion !== 'discovery.k8s.io/v1beta1') return slice;
  return {
    ...slice,
    apiVersion: 'discovery.k8s.io/v1',
    endpoints: (slice.endpoints ?? []).map(({ topology, ...endpoint }: BetaEndpoint) => {
      const nodeName = endpoint.nodeName ?? topology?.['kubernetes.io/hostname'];
      const zone = endpoint.zone ?? topology?.['topology.kubernetes.io/zone'];
      return {
        ...endpoint,
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(zone === undefined ? {} : { zone }),
      };
    }),
  };
}

/** Anything the API answers with, in the shape and version that harness/contracts/kube.ts promises. */
export function normalise<T extends { apiVersion?: string; kind?: string; metadata?: V1ObjectMeta }>(
  object: T,
  kind: string,
): T {
  // Items of a list carry neither kind nor version; after this every object says what it is.
  const known = { ...object, kind };
  if (kind === 'EndpointSlice') {
    const slice = asSliceV1(known as object as V1EndpointSlice);
    // The API server writes `"endpoints": null` for a slice without endpoints.
    return { ...slice, endpoints: slice.endpoints ?? [] } as object as T;
  }
  const apiVersion = API_VERSIONS[kind] ?? object.apiVersion;
  return apiVersion === undefined ? known : { ...known, apiVersion };
}
