import type { Endpoint, ServicePort } from './service-port.ts';

/** The endpoints that a node sends to, by traffic policy. */
export interface EndpointChoice {
  /** For policy Cluster; empty when nothing of the Service uses that policy. */
  readonly cluster: readonly Endpoint[];
  /** For policy Local: this node's; empty when nothing of the Service uses that policy. */
  readonly local: readonly Endpoint[];
  /** All that this node may send to. */
  readonly reachable: readonly Endpoint[];
  /** Some node has a usable endpoint. */
  readonly any: boolean;
  /** New connections to the cluster IP find an endpoint from this node. */
  readonly internal: boolean;
  /** New connections from outside find an endpoint from this node. */
  readonly external: boolean;
}

export const isExternallyAccessible = (port: ServicePort) =>
  port.nodePort !== undefined || port.balancerAddresses.length > 0 || port.externalAddresses.length > 0;

/**
 * Chooses endpoints as kube-proxy does since 1.26: ready ones, or, when the whole scope has none, those that
 * terminate but still serve (KEP-1669; k8s pkg/proxy/topology.go CategorizeEndpoints). Of ready ones policy Cluster
 * takes those that are hinted for this node or zone; policy Local ignores hints.
 */
export function chooseEndpoints(port: ServicePort): EndpointChoice {
  const accessible = isExternallyAccessible(port);
  // What pods and the node itself send to outside addresses goes to the whole cluster, whatever the policy.
  const usesCluster = !port.internalLocal || accessible;
  const usesLocal = port.internalLocal || (port.externalLocal && accessible);
  const all = readyOrServing(port.endpoints);
  const cluster = usesCluster ? hintedHere(all) : [];
  const local = usesLocal ? readyOrServing(port.endpoints.filter((endpoint) => endpoint.local)) : [];
  const any = all.length > 0;
  return {
    cluster,
    local,
    reachable: [...cluster, ...local.filter((endpoint) => !cluster.includes(endpoint))],
    any,
    internal: port.internalLocal ? local.length > 0 : any,
    external: port.externalLocal ? local.length > 0 : any,
  };
}

/**
 * The endpoints hinted for this node, if every ready one has node hints and one of them names it; else the same of its
 * zone; else all. Endpoints that only still serve are chosen without hints (KEP-4444, KEP-3015).
 */
function hintedHere(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  if (endpoints.some(({ ready }) => !ready)) return endpoints;
  for (const hint of ['hintedNode', 'hintedZone'] as const) {
    const here = endpoints.filter((endpoint) => endpoint[hint]);
    if (here.length > 0 && endpoints.every((endpoint) => endpoint[hint] !== undefined)) return here;
  }
  return endpoints;
}

function readyOrServing(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0
    ? ready
    : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating && !endpoint.ready);
}
