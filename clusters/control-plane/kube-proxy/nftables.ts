import { chooseEndpoints, isExternallyAccessible } from './endpoint-choice.ts';
import {
  chainHash,
  drop,
  jump,
  MASQUERADE_MARK,
  masqueradeMarked,
  reject,
  Table,
} from './iptables-chains.ts';
import type { NftablesRules, Rule, Target } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

interface Options {
  readonly nodeAddress: string;
  /** kube-proxy's `--cluster-cidr`. */
  readonly clusterCidr: string;
}

type MapElement = NftablesRules['maps'][number]['elements'][number];
type AddressSet = NonNullable<NftablesRules['sets']>[number];

/** Filter chains come before DNAT, so that they see the Service's own address; only one comes after it. */
const HOOKS = {
  'filter-prerouting': { type: 'filter', hook: 'prerouting', priority: 'dstnat-10' },
  'filter-input': { type: 'filter', hook: 'input', priority: 'dstnat-10' },
  'filter-forward': { type: 'filter', hook: 'forward', priority: 'dstnat-10' },
  'filter-output': { type: 'filter', hook: 'output', priority: 'dstnat-10' },
  'filter-output-post-dnat': { type: 'filter', hook: 'output', priority: 'dstnat+10' },
  'nat-prerouting': { type: 'nat', hook: 'prerouting', priority: 'dstnat' },
  'nat-output': { type: 'nat', hook: 'output', priority: 'dstnat' },
  'nat-postrouting': { type: 'nat', hook: 'postrouting', priority: 'srcnat' },
} as const satisfies Record<string, NftablesRules['chains'][number]['hook']>;

/** The verdict maps in kube-proxy's words; the key is `address . protocol . port` or `protocol . port`. */
const MAPS = {
  'no-endpoint-services': ['service', 'vmap to drop or reject packets to services with no endpoints'],
  'no-endpoint-nodeports': ['port', 'vmap to drop or reject packets to service nodeports with no endpoints'],
  'firewall-ips': ['service', 'destinations that are subject to LoadBalancerSourceRanges'],
  'service-ips': ['service', 'ClusterIP, ExternalIP and LoadBalancer IP traffic'],
  'service-nodeports': ['port', 'NodePort traffic'],
} as const;

/**
 * The table `ip kube-proxy` of kube-proxy 1.31 to 1.33 in nftables mode
 * (k8s 1.32 pkg/proxy/nftables/proxier.go; FACTS B3).
 */
export function nftablesRules(ports: readonly ServicePort[], options: Options): NftablesRules {
  const build: Build = {
    chains: new Table(...Object.keys(HOOKS)),
    elements: {
      'no-endpoint-services': [],
      'no-endpoint-nodeports': [],
      'firewall-ips': [],
      'service-ips': [],
      'service-nodeports': [],
    },
    affinity: [],
    ...options,
  };
  addStatic(build.chains);
  for (const port of ports) addPort(port, build);
  const clusterAddresses = [...new Set(ports.map((port) => port.clusterAddress))];
  return {
    mode: 'nftables',
    chains: build.chains.chains().map((chain) => {
      const hook = HOOKS[chain.name as keyof typeof HOOKS];
      return hook ? { ...chain, hook } : chain;
    }),
    sets: [
      { name: 'cluster-ips', addresses: clusterAddresses, comment: 'Active ClusterIPs' },
      ...build.affinity,
    ],
    maps: Object.entries(MAPS).map(([name, [key, comment]]) => ({
      name,
      key,
      comment,
      elements: build.elements[name as keyof typeof MAPS],
    })),
  };
}

interface Build extends Options {
  readonly chains: Table;
  readonly elements: Record<keyof typeof MAPS, MapElement[]>;
  readonly affinity: AddressSet[];
}

function addStatic(chains: Table): void {
  const whenNew = (chain: string): Rule => ({ states: ['NEW'], target: jump(chain) });
  const lookUp = (map: keyof typeof MAPS): Target => ({ kind: 'map', map, key: MAPS[map][0] });
  const notLoopback = { destination: { cidr: '127.0.0.0/8', not: true } };
  chains.add('filter-prerouting', whenNew('firewall-check'));
  chains.add('filter-input', whenNew('nodeport-endpoints-check'), whenNew('service-endpoints-check'));
  chains.add('filter-forward', whenNew('service-endpoints-check'), whenNew('cluster-ips-check'));
  chains.add('filter-output', whenNew('service-endpoints-check'), whenNew('firewall-check'));
  chains.add('filter-output-post-dnat', whenNew('cluster-ips-check'));
  chains.add('nat-prerouting', { target: jump('services') });
  chains.add('nat-output', { target: jump('services') });
  chains.add('nat-postrouting', { target: jump('masquerading') });

  chains.add('mark-for-masquerade', {
    target: { kind: 'mark', value: MASQUERADE_MARK, mask: MASQUERADE_MARK, operation: 'or' },
  });
  chains.add(
    'masquerading',
    { mark: { ...masqueradeMarked, not: true }, target: { kind: 'return' } },
    { target: { kind: 'mark', value: MASQUERADE_MARK, mask: 0, operation: 'xmark' } },
    { target: { kind: 'masquerade', fullyRandom: true } },
  );
  chains.add('cluster-ips-check', {
    destinationSet: 'cluster-ips',
    comment: 'Reject traffic to invalid ports of ClusterIPs',
    target: reject,
  });
  chains.add('reject-chain', { target: reject });
  chains.add('service-endpoints-check', { target: lookUp('no-endpoint-services') });
  chains.add('nodeport-endpoints-check', { ...notLoopback, target: lookUp('no-endpoint-nodeports') });
  chains.add('firewall-check', { target: lookUp('firewall-ips') });
  chains.add(
    'services',
    { target: lookUp('service-ips') },
    { destinationLocal: true, ...notLoopback, target: lookUp('service-nodeports') },
  );
}

function addPort(port: ServicePort, build: Build): void {
  const { cluster, local, reachable, any, ...has } = chooseEndpoints(port);
  const names = chainNames(port);
  const to = (address: string, target: Target, comment?: string): MapElement => ({
    address,
    protocol: port.protocol,
    port: port.port,
    target,
    ...(comment === undefined ? {} : { comment }),
  });
  const { elements } = build;
  // What new connections meet that found no endpoint: refused when there is none anywhere, else dropped.
  const refusal: Target = any ? drop : { kind: 'goto', chain: 'reject-chain' };

  const internal = port.internalLocal ? names.local : names.cluster;
  if (has.internal) elements['service-ips'].push(to(port.clusterAddress, { kind: 'goto', chain: internal }));
  else elements['no-endpoint-services'].push(to(port.clusterAddress, refusal, port.name));

  const external: Target = { kind: 'goto', chain: names.external };
  for (const address of [...port.externalAddresses, ...port.balancerAddresses]) {
    if (any) elements['service-ips'].push(to(address, external));
    if (!has.external) elements['no-endpoint-services'].push(to(address, refusal, port.name));
  }
  if (port.nodePort !== undefined) {
    const key = { protocol: port.protocol, port: port.nodePort };
    if (any) elements['service-nodeports'].push({ ...key, target: external });
    if (!has.external)
      elements['no-endpoint-nodeports'].push({ ...key, target: refusal, comment: port.name });
  }
  if (port.balancerAddresses.length > 0 && port.sourceRanges.length > 0) addFirewall(port, build);

  if (has.internal)
    build.chains.add(internal, {
      destination: { cidr: port.clusterAddress },
      protocol: port.protocol,
      destinationPort: port.port,
      source: { cidr: build.clusterCidr, not: true },
      target: jump('mark-for-masquerade'),
    });
  if (any && isExternallyAccessible(port)) addExternalChain(port, has.external, build);
  addBalancing(port, names.cluster, cluster, build);
  addBalancing(port, names.local, local, build);
  for (const endpoint of reachable) addEndpoint(port, endpoint, build);
}

/** Only drops what comes from elsewhere; that it stays in the filter chains keeps NodePorts out of it. */
function addFirewall(port: ServicePort, { chains, elements, nodeAddress }: Build): void {
  const chain = chainNames(port).firewall;
  // The node holds the balancer's address, so its own requests loop back with that address as their source.
  const fromNode = port.sourceRanges.some((range) => contains(range, nodeAddress));
  chains.add(chain, {
    sourceNotIn: [...port.sourceRanges, ...(fromNode ? port.balancerAddresses : [])],
    target: drop,
  });
  for (const address of port.balancerAddresses)
    elements['firewall-ips'].push({
      address,
      protocol: port.protocol,
      port: port.port,
      target: { kind: 'goto', chain },
    });
}

function addExternalChain(port: ServicePort, hasExternal: boolean, { chains, clusterCidr }: Build): void {
  const names = chainNames(port);
  const toCluster: Target = { kind: 'goto', chain: names.cluster };
  if (port.externalLocal)
    chains.add(
      names.external,
      { source: { cidr: clusterCidr }, comment: 'short-circuit pod traffic', target: toCluster },
      { sourceLocal: true, comment: 'masquerade local traffic', target: jump('mark-for-masquerade') },
      { sourceLocal: true, comment: 'short-circuit local traffic', target: toCluster },
    );
  else chains.add(names.external, { target: jump('mark-for-masquerade') });
  if (hasExternal)
    chains.add(names.external, {
      target: { kind: 'goto', chain: port.externalLocal ? names.local : names.cluster },
    });
}

function addBalancing(
  port: ServicePort,
  chain: string,
  endpoints: readonly Endpoint[],
  { chains }: Build,
): void {
  if (endpoints.length === 0) return;
  const names = endpoints.map((endpoint) => endpointNames(port, endpoint));
  if (port.stickySeconds !== undefined)
    for (const name of names)
      chains.add(chain, {
        recent: { name: name.affinity, check: 'rcheck', seconds: port.stickySeconds },
        target: { kind: 'goto', chain: name.chain },
      });
  chains.add(chain, { target: { kind: 'choose', chains: names.map((name) => name.chain) } });
}

function addEndpoint(port: ServicePort, endpoint: Endpoint, { chains, affinity }: Build): void {
  const names = endpointNames(port, endpoint);
  chains.add(names.chain, {
    source: { cidr: endpoint.address },
    target: jump('mark-for-masquerade'),
  });
  if (port.stickySeconds !== undefined) {
    affinity.push({ name: names.affinity, timeoutSeconds: port.stickySeconds });
    chains.add(names.chain, { recent: { name: names.affinity, check: 'set' }, target: { kind: 'none' } });
  }
  chains.add(names.chain, {
    protocol: port.protocol,
    target: { kind: 'dnat', address: endpoint.address, port: endpoint.port },
  });
}

const chainNames = (port: ServicePort) => {
  const base = hashed(portPath(port));
  return {
    cluster: `service-${base}`,
    local: `local-${base}`,
    external: `external-${base}`,
    firewall: `firewall-${base}`,
  };
};

const endpointNames = (port: ServicePort, endpoint: Endpoint) => {
  const base = hashed(`${portPath(port)}__${endpointText(endpoint).replace(':', '/')}`);
  return { chain: `endpoint-${base}`, affinity: `affinity-${base}` };
};

const portPath = (port: ServicePort) => `${port.namespace}/${port.service}/${port.protocol}/${port.portName}`;

/** Names hold at most 256 characters, 16 of them for the prefix; the hash keeps a shortened one unique. */
function hashed(name: string): string {
  const text = `${chainHash(name, 8)}-${name}`;
  return text.length > 240 ? `${text.slice(0, 237)}...` : text;
}
