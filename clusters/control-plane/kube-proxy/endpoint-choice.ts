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
 * terminate but still serve (KEP-1669). Of the ready ones of policy Cluster, those that are meant for this node or
 * zone, where every one of them says whom it is meant for (k8s pkg/proxy/topology.go CategorizeEndpoints).
 */
export function chooseEndpoints(port: ServicePort): EndpointChoice {
  const accessible = isExternallyAccessible(port);
  // What pods and the node itself send to outside addresses goes to the whole cluster, whatever the policy.
  const usesCluster = !port.internalLocal || accessible;
  const usesLocal = port.internalLocal || (port.externalLocal && accessible);
  const all = readyOrServing(port.endpoints);
  const cluster = usesCluster ? meantForHere(all) : [];
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

function readyOrServing(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0
    ? ready
    : endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating && !endpoint.ready);
}

/** Hints count only where all endpoints have them and one of them is for here; those that only serve have none to heed. */
function meantForHere(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  if (!endpoints.every(({ ready }) => ready)) return endpoints;
  for (const hint of ['forNode', 'forZone'] as const)
    if (
      endpoints.every((endpoint) => endpoint[hint] !== undefined) &&
      endpoints.some((endpoint) => endpoint[hint])
    )
      return endpoints.filter((endpoint) => endpoint[hint]);
  return endpoints;
}
