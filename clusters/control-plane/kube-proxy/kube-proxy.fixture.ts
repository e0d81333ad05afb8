import type { V1EndpointSlice, V1Service, V1ServiceSpec } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';
import { DATAPLANES, type DataplaneName } from '../../../harness/platforms/dataplanes.ts';
import { nodeRules } from './kube-proxy.ts';
import type { IptablesRules, NodeRules } from './rules.ts';

/** The node that the tests' rules are for. */
export const NODE = { name: 'node-1', address: '172.18.1.1', podCidr: '10.244.1.0/24' };

/** A LoadBalancer Service `default/web` as the API server would keep it: `http` 80 -> 8080, NodePort 30080, one VIP. */
export function webService(spec: V1ServiceSpec = {}, name = 'web'): V1Service {
  const local = spec.externalTrafficPolicy === 'Local' && spec.type !== 'NodePort';
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.100.1',
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, nodePort: 30_080 }],
      ...(local ? { healthCheckNodePort: 32_000 } : {}),
      ...spec,
    },
    status: { loadBalancer: spec.type === 'NodePort' ? {} : { ingress: [{ ip: '172.18.255.200' }] } },
  };
}

/** An endpoint by how it is: `ready` unless said otherwise. */
export interface WebEndpoint {
  readonly address: string;
  readonly node: string;
  readonly state?: 'ready' | 'unready' | 'draining' | 'dying';
}

/** A slice of discovery v1 of `default/web`'s port `http`, 8080. */
export const webSlice = (endpoints: readonly WebEndpoint[], name = 'web'): V1EndpointSlice => ({
  addressType: 'IPv4',
  metadata: {
    name: `${name}-abcde`,
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': name },
  },
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(({ address, node, state = 'ready' }) => ({
    addresses: [address],
    nodeName: node,
    conditions: {
      ready: state === 'ready',
      serving: state === 'ready' || state === 'draining',
      terminating: state === 'draining' || state === 'dying',
    },
  })),
});

/** Every dataplane, iptables mode also with the rules of before 1.24. */
export const DATAPLANES_PLAYED = [...(Object.keys(DATAPLANES) as DataplaneName[]), 'iptables@1.22'] as const;

export type Played = (typeof DATAPLANES_PLAYED)[number];

/** What is asked of `nodeRules` for one of them. */
export function played(name: Played): { mode: Axes['proxy']; kubernetes: Axes['kubernetes'] } {
  const [mode = '', kubernetes = '1.37'] = name.split('@');
  return { mode: mode as Axes['proxy'], kubernetes: kubernetes as Axes['kubernetes'] };
}

/** What one node gets for one Service and its endpoints. */
export const rulesOf = (
  mode: Played,
  spec: V1ServiceSpec,
  endpoints: readonly WebEndpoint[],
  previous?: NodeRules,
): NodeRules =>
  nodeRules({
    services: [webService(spec)],
    slices: [webSlice(endpoints)],
    node: NODE,
    ...played(mode),
    ...(previous ? { previous } : {}),
    now: 0,
  });

export const iptablesOf = (
  mode: 'iptables' | 'iptables@1.22',
  spec: V1ServiceSpec,
  endpoints: readonly WebEndpoint[],
) => rulesOf(mode, spec, endpoints).rules as IptablesRules;
