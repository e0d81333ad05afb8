import {
  accept,
  addMasquerading,
  blockLocalnet,
  DROP_MARK,
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
import { contains, type Endpoint, type ServicePort } from './service-port.ts';

interface Options {
  readonly nodeAddress: string;
  /** kube-proxy's `--cluster-cidr`. */
  readonly clusterCidr: string;
}

/**
 * The rules of kube-proxy 1.20 to 1.23 in iptables mode, with the chains that kubelet adds
 * (k8s 1.20.2 pkg/proxy/iptables/proxier.go syncProxyRules; FACTS B1).
 */
export function iptablesRules122(ports: readonly ServicePort[], options: Options): IptablesRules {
  const nat = new Table('KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ');
  const filter = new Table('KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD');
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
    mangle: canaries.map((name) => ({ name, rules: [] })),
  };
}

/** Jumps are prepended one after the other, so the last one ensured comes first. */
function addStatic(nat: Table, filter: Table): void {
  const portals = 'kubernetes service portals';
  const services = { comment: portals, target: jump('KUBE-SERVICES') };
  const newServices = { states: ['NEW'], ...services } satisfies Rule;
  const newExternal = {
    states: ['NEW'],
    comment: 'kubernetes externally-visible service portals',
    target: jump('KUBE-EXTERNAL-SERVICES'),
  } satisfies Rule;
  const firewall = { target: jump('KUBE-FIREWALL') };
  nat.add('PREROUTING', services);
  nat.add('OUTPUT', services);
  nat.add('POSTROUTING', { comment: 'kubernetes postrouting rules', target: jump('KUBE-POSTROUTING') });
  filter.add('INPUT', newExternal, firewall);
  filter.add(
    'FORWARD',
    { comment: 'kubernetes forwarding rules', target: jump('KUBE-FORWARD') },
    newServices,
    newExternal,
  );
  filter.add('OUTPUT', newServices, firewall);

  addMasquerading(nat);
  // kube-proxy only makes sure that KUBE-MARK-DROP is there; kubelet fills it and drops what is marked.
  nat.add('KUBE-MARK-DROP', { target: { kind: 'mark', value: DROP_MARK, mask: DROP_MARK, operation: 'or' } });
  filter.add(
    'KUBE-FIREWALL',
    {
      comment: 'kubernetes firewall for dropping marked packets',
      mark: { value: DROP_MARK, mask: DROP_MARK },
      target: drop,
    },
    blockLocalnet,
  );
  filter.add(
    'KUBE-FORWARD',
    { states: ['INVALID'], target: drop },
    { comment: 'kubernetes forwarding rules', mark: masqueradeMarked, target: accept },
    {
      comment: 'kubernetes forwarding conntrack pod source rule',
      states: ['RELATED', 'ESTABLISHED'],
      target: accept,
    },
    {
      comment: 'kubernetes forwarding conntrack pod destination rule',
      states: ['RELATED', 'ESTABLISHED'],
      target: accept,
    },
  );
}

interface Context extends Options {
  readonly nat: Table;
  readonly filter: Table;
  /** So many endpoints that comments are left out. */
  readonly terse: boolean;
}

function addPort(port: ServicePort, context: Context): void {
  // The chain for local endpoints is made even when nothing jumps there for want of endpoints.
  if (port.externalLocal) context.nat.add(portChain('XLB', port));
  if (port.endpoints.length === 0) addRejects(port, context.filter);
  else addTraffic(port, context);
}

function addTraffic(port: ServicePort, context: Context): void {
  const { nat } = context;
  const service = portChain('SVC', port);
  nat.add(service);
  const toCluster = at(port, port.clusterAddress, `${port.name} cluster IP`);
  nat.add(
    'KUBE-SERVICES',
    { ...toCluster, source: { cidr: context.clusterCidr, not: true }, target: jump('KUBE-MARK-MASQ') },
    { ...toCluster, target: jump(service) },
  );
  for (const address of port.externalAddresses) addExternalAddress(port, address, nat);
  for (const address of port.balancerAddresses) addBalancerAddress(port, address, context);
  addNodePort(port, nat);
  addEndpoints(port, context);
  if (port.externalLocal) addLocalEndpoints(port, context);
}

function addRejects(port: ServicePort, filter: Table): void {
  const comment = `${port.name} has no endpoints`;
  filter.add('KUBE-SERVICES', { ...at(port, port.clusterAddress, comment), target: reject });
  for (const address of [...port.externalAddresses, ...port.balancerAddresses])
    filter.add('KUBE-EXTERNAL-SERVICES', { ...at(port, address, comment), target: reject });
  if (port.nodePort !== undefined)
    filter.add('KUBE-EXTERNAL-SERVICES', {
      comment,
      destinationLocal: true,
      protocol: port.protocol,
      destinationPort: port.nodePort,
      target: reject,
    });
}

function addExternalAddress(port: ServicePort, address: string, nat: Table): void {
  const to = at(port, address, `${port.name} external IP`);
  const chosen = jump(externalChain(port));
  if (!port.externalLocal) nat.add('KUBE-SERVICES', { ...to, target: jump('KUBE-MARK-MASQ') });
  nat.add(
    'KUBE-SERVICES',
    // From off the machine: neither from a bridged container nor from a local process.
    { ...to, notFromBridge: true, sourceNotLocal: true, target: chosen },
    // Bound for an address that the node holds, as GCE's balancers are in the local routing table.
    { ...to, destinationLocal: true, target: chosen },
  );
}

/** KUBE-FW: written anew for each address of the balancer, as upstream does, one after the other in one chain. */
function addBalancerAddress(port: ServicePort, address: string, context: Context): void {
  const { nat } = context;
  const firewall = portChain('FW', port);
  const comment = `${port.name} loadbalancer IP`;
  const chosen = jump(externalChain(port));
  nat.add('KUBE-SERVICES', { ...at(port, address, comment), target: jump(firewall) });
  if (!port.externalLocal) nat.add(firewall, { comment, target: jump('KUBE-MARK-MASQ') });
  if (port.sourceRanges.length === 0) nat.add(firewall, { comment, target: chosen });
  for (const range of port.sourceRanges)
    nat.add(firewall, { source: { cidr: range }, comment, target: chosen });
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  if (port.sourceRanges.some((range) => contains(range, context.nodeAddress)))
    nat.add(firewall, { source: { cidr: `${address}/32` }, comment, target: chosen });
  nat.add(firewall, { comment, target: jump('KUBE-MARK-DROP') });
}

function addNodePort(port: ServicePort, nat: Table): void {
  if (port.nodePort === undefined) return;
  const to = { protocol: port.protocol, comment: port.name, destinationPort: port.nodePort };
  nat.add(
    'KUBE-NODEPORTS',
    {
      ...to,
      // Local keeps the client's address, but a reply to 127.0.0.1 would be a martian.
      ...(port.externalLocal ? { source: { cidr: '127.0.0.0/8' } } : {}),
      target: jump('KUBE-MARK-MASQ'),
    },
    { ...to, target: jump(externalChain(port)) },
  );
}

function addEndpoints(port: ServicePort, { nat, terse }: Context): void {
  const service = portChain('SVC', port);
  const comment = terse ? {} : { comment: port.name };
  nat.add(service, ...affinityRules(port, port.endpoints, comment));
  nat.add(service, ...balancingRules(port, port.endpoints, () => comment));
  for (const endpoint of port.endpoints) {
    const chain = endpointChain(port, endpoint);
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
}

function addLocalEndpoints(port: ServicePort, { nat, clusterCidr }: Context): void {
  const service = portChain('SVC', port);
  const local = port.endpoints.filter((endpoint) => endpoint.local);
  const chain = portChain('XLB', port);
  nat.add(
    chain,
    {
      source: { cidr: clusterCidr },
      comment: 'Redirect pods trying to reach external loadbalancer VIP to clusterIP',
      target: jump(service),
    },
    {
      comment: `masquerade LOCAL traffic for ${port.name} LB IP`,
      sourceLocal: true,
      target: jump('KUBE-MARK-MASQ'),
    },
    {
      comment: `route LOCAL traffic for ${port.name} LB IP to service chain`,
      sourceLocal: true,
      target: jump(service),
    },
  );
  if (local.length === 0)
    nat.add(chain, { comment: `${port.name} has no local endpoints`, target: jump('KUBE-MARK-DROP') });
  nat.add(chain, ...affinityRules(port, local, { comment: port.name }));
  nat.add(
    chain,
    ...balancingRules(port, local, (index) => ({ comment: `Balancing rule ${index} for ${port.name}` })),
  );
}

type Comment = { readonly comment?: string };

function affinityRules(port: ServicePort, endpoints: readonly Endpoint[], comment: Comment): Rule[] {
  const seconds = port.stickySeconds;
  if (seconds === undefined) return [];
  return endpoints.map((endpoint) => {
    const name = endpointChain(port, endpoint);
    return { ...comment, recent: { name, check: 'rcheck', seconds, reap: true }, target: jump(name) };
  });
}

function balancingRules(
  port: ServicePort,
  endpoints: readonly Endpoint[],
  comment: (index: number) => Comment,
): Rule[] {
  return endpoints.map((endpoint, index) => ({
    ...comment(index),
    ...(index < endpoints.length - 1 ? { probability: probability(endpoints.length - index) } : {}),
    target: jump(endpointChain(port, endpoint)),
  }));
}

const externalChain = (port: ServicePort) => portChain(port.externalLocal ? 'XLB' : 'SVC', port);

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
