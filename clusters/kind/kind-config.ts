import type { Axes } from '../../harness/contracts/axes.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import { ZONES } from '../control-plane/addresses.ts';

export type ProxyMode = 'iptables' | 'nftables' | 'ipvs';

/** What makes one kind cluster different from another: cells of one shape can share it, one after the other. */
export interface Shape {
  readonly nodes: number;
  readonly proxyMode: ProxyMode;
  /** The node image; undefined: the installed kind's own. */
  readonly image: string | undefined;
}

/** kube-proxy's mode for an axis value; undefined for dataplanes that are no kube-proxy. */
export function proxyMode(proxy: Axes['proxy']): ProxyMode | undefined {
  const { mode } = dataplane(proxy);
  return mode === 'cilium' ? undefined : mode;
}

/** kind's configuration for a shape: one control-plane node that takes no traffic, and workers over three zones. */
export function kindConfig({ nodes, proxyMode }: Shape): string {
  const workers = Array.from({ length: nodes }, (_, index) => ({
    role: 'worker',
    labels: { 'topology.kubernetes.io/zone': ZONES[index % ZONES.length] },
  }));
  // YAML is a superset of JSON.
  return JSON.stringify(
    {
      kind: 'Cluster',
      apiVersion: 'kind.x-k8s.io/v1alpha4',
      networking: { kubeProxyMode: proxyMode },
      nodes: [{ role: 'control-plane' }, ...workers],
    },
    null,
    2,
  );
}
