import { chooseEndpoints, isExternallyAccessible } from './endpoint-choice.ts';
import {
  accept,
  addMasquerading,
  blockLocalnet,
  drop,
  endpointChain,
  jump,
  LARGE_CLUSTER_ENDPOINTS,
  masqueradeMarked,
  nodePortsLast,
  portChain,
  probability,
  reject,
  Table,
} from './iptables-chains.ts';
import type { IptablesRules, Rule, Target } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

interface Options {
  readonly nodeAddress: string;
  /** kube-proxy's `--cluster-cidr`. */
  readonly clusterCidr: string;
}

/**
 * The rules of kube-proxy since 1.28 in iptables mode, in a full sync and without nfacct counters
 * (k8s 1.32 pkg/proxy/iptables/proxier.go syncProxyRules; FACTS B2).
 */
export function iptablesRules(ports: readonly ServicePort[], options: Options): IptablesRules {
  const nat = new Table('KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ');
  const filter = new Table(
    'KUBE-SERVICES',
    'KUBE-EXTERNAL-SERVICES',
    'KUBE-FORWARD',
    'KUBE-NODEPORTS',
    'KUBE-PROXY-FIREWALL',
  );
  addStatic(nat, filter);
  const endpoints = ports.reduce((sum, port) => sum + port.endpoints.length, 0);
  for (const port of ports)
    addPort(port, { nat, filter, terse: endpoints > LARGE_CLUSTER_ENDPOINTS, ...options });
  nat.add('KUBE-SERVICES', nodePortsLast);
  const canaries = ['KUBE-PROXY-CANARY', 'KUBE-KUBELET-CANARY'];
  for (const canary of canaries) {
    nat.add(canary);
    filter.add(canary);
  }
  return {
    mode: 'iptables',
    nat: nat.chains(),
    filter: filter.chains(),
    mangle: [...canaries, 'KUBE-IPTABLES-HINT'].map((name) => ({ name, rules: [] })),
  };
}

/** Jumps are prepended one after the other, so the last one ensured comes first; kubelet came before all of them. */
function addStatic(nat: Table, filter: Table): void {
  const services = { comment: 'kubernetes service portals', target: jump('KUBE-SERVICES') };
  const whenNew = (comment: string, chain: string): Rule => ({
    states: ['NEW'],
    comment,
    target: jump(chain),
  });
  const newServices = whenNew('kubernetes service portals', 'KUBE-SERVICES');
  const newExternal = whenNew('kubernetes externally-visible service portals', 'KUBE-EXTERNAL-SERVICES');
  const newFirewall = whenNew('kubernetes load balancer firewall', 'KUBE-PROXY-FIREWALL');
  const kubelet = { target: jump('KUBE-FIREWALL') };
  nat.add('PREROUTING', services);
  nat.add('OUTPUT', services);
  nat.add('POSTROUTING', { comment: 'kubernetes postrouting rules', target: jump('KUBE-POSTROUTING') });
  filter.add(
    'INPUT',
    newFirewall,
    { comment: 'kubernetes health check service ports', target: jump('KUBE-NODEPORTS') },
    newExternal,
    kubelet,
  );
  filter.add(
    'FORWARD',
    newFirewall,
    { comment: 'kubernetes forwarding rules', target: jump('KUBE-FORWARD') },
    newServices,
    newExternal,
  );
  filter.add('OUTPUT', newFirewall, newServices, kubelet);

  addMasquerading(nat);
  filter.add('KUBE-FIREWALL', blockLocalnet);
  filter.add(
    'KUBE-FORWARD',
    { states: ['INVALID'], target: drop },
    { comment: 'kubernetes forwarding rules', mark: masqueradeMarked, target: accept },
    { comment: 'kubernetes forwarding conntrack rule', states: ['RELATED', 'ESTABLISHED'], target: accept },
  );
}

interface Context extends Options {
  readonly nat: Table;
  readonly filter: Table;
  /** So many endpoints that comments are left out. */
  readonly terse: boolean;
}

function addPort(port: ServicePort, context: Context): void {
  const { nat, filter } = context;
  const { cluster, local, reachable, any, ...has } = chooseEndpoints(port);
  const internal = portChain(port.internalLocal ? 'SVL' : 'SVC', port);
  const external = portChain('EXT', port);
  const guarded = any && port.balancerAddresses.length > 0 && port.sourceRanges.length > 0;
  // What new connections meet that found no endpoint: refused when there is none anywhere, else dropped, lest
  // a client takes a node without endpoints for a service without endpoints.
  const refusal = {
    comment: `${port.name} has no ${any ? 'local ' : ''}endpoints`,
    target: any ? drop : reject,
  };

  const toCluster = at(port, port.clusterAddress, `${port.name} cluster IP`);
  if (has.internal) {
    nat.add('KUBE-SERVICES', { ...toCluster, target: jump(internal) });
    nat.add(internal, {
      ...toCluster,
      source: { cidr: context.clusterCidr, not: true },
      target: jump('KUBE-MARK-MASQ'),
    });
  } else filter.add('KUBE-SERVICES', { ...toCluster, ...refusal });

  for (const address of port.externalAddresses) {
    const to = at(port, address, `${port.name} external IP`);
    if (any) nat.add('KUBE-SERVICES', { ...to, target: jump(external) });
    if (!has.external) filter.add('KUBE-EXTERNAL-SERVICES', { ...to, ...refusal });
  }

  for (const address of port.balancerAddresses) {
    const to = at(port, address, `${port.name} loadbalancer IP`);
    if (any) nat.add('KUBE-SERVICES', { ...to, target: jump(guarded ? portChain('FW', port) : external) });
    if (guarded)
      filter.add('KUBE-PROXY-FIREWALL', {
        ...to,
        comment: `${port.name} traffic not accepted by ${portChain('FW', port)}`,
        target: drop,
      });
    if (!has.external) filter.add('KUBE-EXTERNAL-SERVICES', { ...to, ...refusal });
  }

  if (port.nodePort !== undefined) {
    const to = { protocol: port.protocol, comment: port.name, destinationPort: port.nodePort };
    if (any) nat.add('KUBE-NODEPORTS', { ...to, target: jump(external) });
    if (!has.external) filter.add('KUBE-EXTERNAL-SERVICES', { ...to, destinationLocal: true, ...refusal });
  }
  if (port.healthCheckNodePort !== undefined)
    filter.add('KUBE-NODEPORTS', {
      protocol: 'tcp',
      comment: `${port.name} health check node port`,
      destinationPort: port.healthCheckNodePort,
      target: accept,
    });

  if (any && isExternallyAccessible(port)) addExternalChain(port, has.external, context);
  if (guarded) addFirewallChain(port, context);
  addBalancing(port, portChain('SVC', port), cluster, context);
  addBalancing(port, portChain('SVL', port), local, context);
  for (const endpoint of reachable) addEndpoint(port, endpoint, context);
}

/** KUBE-EXT: what comes from outside, with the short cut for what only looks as if it did. */
function addExternalChain(port: ServicePort, hasExternal: boolean, { nat, clusterCidr }: Context): void {
  const chain = portChain('EXT', port);
  const cluster = portChain('SVC', port);
  if (port.externalLocal)
    nat.add(
      chain,
      {
        source: { cidr: clusterCidr },
        comment: `pod traffic for ${port.name} external destinations`,
        target: jump(cluster),
      },
      {
        comment: `masquerade LOCAL traffic for ${port.name} external destinations`,
        sourceLocal: true,
        target: jump('KUBE-MARK-MASQ'),
      },
      {
        comment: `route LOCAL traffic for ${port.name} external destinations`,
        sourceLocal: true,
        target: jump(cluster),
      },
    );
  else
    nat.add(chain, {
      comment: `masquerade traffic for ${port.name} external destinations`,
      target: jump('KUBE-MARK-MASQ'),
    });
  if (hasExternal) nat.add(chain, { target: jump(portChain(port.externalLocal ? 'SVL' : 'SVC', port)) });
}

function addFirewallChain(port: ServicePort, { nat, nodeAddress }: Context): void {
  const chain = portChain('FW', port);
  const comment = `${port.name} loadbalancer IP`;
  const target = jump(portChain('EXT', port));
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  const fromNode = port.sourceRanges.some((range) => contains(range, nodeAddress));
  const sources = [...port.sourceRanges, ...(fromNode ? port.balancerAddresses.map((ip) => `${ip}/32`) : [])];
  nat.add(chain, ...sources.map((cidr) => ({ source: { cidr }, comment, target })), {
    comment: `other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`,
    target: { kind: 'none' },
  });
}

function addBalancing(
  port: ServicePort,
  chain: string,
  endpoints: readonly Endpoint[],
  { nat, terse }: Context,
): void {
  const comment = (endpoint: Endpoint) =>
    terse ? {} : { comment: `${port.name} -> ${endpointText(endpoint)}` };
  const seconds = port.stickySeconds;
  for (const endpoint of seconds === undefined ? [] : endpoints) {
    const name = endpointChain(port, endpoint);
    nat.add(chain, {
      ...comment(endpoint),
      recent: { name, check: 'rcheck', ...(seconds === undefined ? {} : { seconds }), reap: true },
      target: jump(name),
    });
  }
  for (const [index, endpoint] of endpoints.entries())
    nat.add(chain, {
      ...comment(endpoint),
      ...(index < endpoints.length - 1 ? { probability: probability(endpoints.length - index) } : {}),
      target: jump(endpointChain(port, endpoint)),
    });
}

function addEndpoint(port: ServicePort, endpoint: Endpoint, { nat, terse }: Context): void {
  const chain = endpointChain(port, endpoint);
  const comment = terse ? {} : { comment: port.name };
  nat.add(
    chain,
    { source: { cidr: `${endpoint.address}/32` }, ...comment, target: jump('KUBE-MARK-MASQ') },
    {
      protocol: port.protocol,
      ...comment,
      ...(port.stickySeconds === undefined ? {} : { recent: { name: chain, check: 'set' as const } }),
      target: { kind: 'dnat', address: endpoint.address, port: endpoint.port },
    },
  );
}

const at = (
  port: ServicePort,
  address: string,
  comment: string,
): Omit<Rule, 'target'> & { target?: Target } => ({
  destination: { cidr: `${address}/32` },
  protocol: port.protocol,
  comment,
  destinationPort: port.port,
});
