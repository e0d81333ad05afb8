import { chooseEndpoints, isExternallyAccessible } from './endpoint-choice.ts';
import { chainHash, drop, jump, MASQUERADE_MARK, reject, Table } from './iptables-chains.ts';
import type { NftablesRules, Rule, Target } from './rules.ts';
import { contains, type Endpoint, endpointText, type ServicePort } from './service-port.ts';

interface Options {
  readonly nodeAddress: string;
  /** kube-proxy's `--cluster-cidr`. */
  readonly clusterCidr: string;
  /** What cluster IPs are chosen from, as the ServiceCIDR objects say. */
  readonly serviceCidr: string;
}

type MapElement = NftablesRules['maps'][number]['elements'][number];
type AddressSet = NonNullable<NftablesRules['sets']>[number];

/**
 * Sources are looked at before DNAT, where the Service's own address still stands; what has no endpoint is refused after
 * it, so that what DNAT found an endpoint for is never refused.
 */
const HOOKS = {
  'filter-prerouting-pre-dnat': { type: 'filter', hook: 'prerouting', priority: 'dstnat-10' },
  'filter-output-pre-dnat': { type: 'filter', hook: 'output', priority: 'dstnat-10' },
  'filter-input': { type: 'filter', hook: 'input', priority: 'filter' },
  'filter-forward': { type: 'filter', hook: 'forward', priority: 'filter' },
  'filter-output': { type: 'filter', hook: 'output', priority: 'filter' },
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
 * The table `ip kube-proxy` of kube-proxy 1.36 in nftables mode, as real ones write it (k8s 1.36
 * pkg/proxy/nftables/proxier.go; compared with dumps in clusters/netns/golden-1.36.test.ts).
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
    hairpins: new Map(),
    ...options,
  };
  addStatic(build);
  for (const port of ports) addPort(port, build);
  const clusterAddresses = [...new Set(ports.map((port) => port.clusterAddress))];
  return {
    mode: 'nftables',
    chains: build.chains.chains().map((chain) => {
      const hook = HOOKS[chain.name as keyof typeof HOOKS];
      const comment = chain.name === REJECT_CHAIN ? { comment: REJECT_COMMENT } : {};
      return hook ? { ...chain, hook } : { ...chain, ...comment };
    }),
    sets: [
      {
        name: 'hairpin-connections',
        flows: [...build.hairpins.values()],
        comment: 'service hairpin connections',
      },
      { name: 'cluster-ips', addresses: clusterAddresses, comment: 'Active ClusterIPs' },
      {
        name: 'nodeport-ips',
        addresses: [options.nodeAddress],
        comment: 'IPs that accept NodePort traffic',
      },
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
  /** Connections of a pod of this node to itself by way of a Service, by their text. */
  readonly hairpins: Map<string, Flow>;
}

type Flow = NonNullable<AddressSet['flows']>[number];

const REJECT_CHAIN = 'reject-chain';
const REJECT_COMMENT = 'helper for @no-endpoint-services / @no-endpoint-nodeports';

/** Asks for the node's address as the packet's source. */
const toMasquerade: Target = { kind: 'mark', value: MASQUERADE_MARK, mask: MASQUERADE_MARK, operation: 'or' };

function addStatic({ chains, clusterCidr, serviceCidr }: Build): void {
  const whenNew = (chain: string): Rule => ({ states: ['NEW'], target: jump(chain) });
  const lookUp = (map: keyof typeof MAPS): Target => ({ kind: 'map', map, key: MAPS[map][0] });
  const toNodePorts = { destinationSet: 'nodeport-ips' };
  chains.add('filter-prerouting-pre-dnat', whenNew('firewall-check'));
  chains.add('filter-output-pre-dnat', whenNew('firewall-check'));
  chains.add('filter-input', whenNew('nodeport-endpoints-check'), whenNew('service-endpoints-check'));
  chains.add('filter-forward', whenNew('service-endpoints-check'), whenNew('cluster-ips-check'));
  chains.add('filter-output', whenNew('service-endpoints-check'), whenNew('cluster-ips-check'));
  chains.add('nat-prerouting', { target: jump('services') });
  chains.add('nat-output', { target: jump('services') });
  chains.add('nat-postrouting', { target: jump('masquerading') });

  const masquerade: Target = { kind: 'masquerade', fullyRandom: true };
  chains.add(
    'masquerading',
    { mark: { value: 0, mask: MASQUERADE_MARK, not: true }, flipMark: MASQUERADE_MARK, target: masquerade },
    { states: ['DNAT'], flowSet: 'hairpin-connections', target: masquerade },
  );
  chains.add(
    'cluster-ips-check',
    {
      destinationSet: 'cluster-ips',
      comment: 'Reject traffic to invalid ports of ClusterIPs',
      target: reject,
    },
    {
      destination: { cidr: serviceCidr },
      comment: 'Drop traffic to unallocated ClusterIPs',
      target: drop,
    },
  );
  chains.add(REJECT_CHAIN, { target: reject });
  chains.add('service-endpoints-check', { target: lookUp('no-endpoint-services') });
  chains.add('nodeport-endpoints-check', { ...toNodePorts, target: lookUp('no-endpoint-nodeports') });
  chains.add('firewall-check', { target: lookUp('firewall-ips') });
  chains.add(
    'services',
    {
      destinationSet: 'cluster-ips',
      source: { cidr: clusterCidr, not: true },
      comment: 'masquerade clusterIP traffic from outside cluster',
      target: toMasquerade,
    },
    { target: lookUp('service-ips') },
    { ...toNodePorts, target: lookUp('service-nodeports') },
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
  const refusal: Target = any ? drop : { kind: 'goto', chain: REJECT_CHAIN };

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

  if (any && isExternallyAccessible(port)) addExternalChain(port, has.external, build);
  addBalancing(port, names.cluster, cluster, build);
  addBalancing(port, names.local, local, build);
  for (const endpoint of reachable) {
    if (port.stickySeconds !== undefined) addEndpoint(port, endpoint, port.stickySeconds, build);
    if (endpoint.local) addHairpin(port, endpoint, build);
  }
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
      { sourceLocal: true, comment: 'masquerade local traffic', target: toMasquerade },
      { sourceLocal: true, comment: 'short-circuit local traffic', target: toCluster },
    );
  else chains.add(names.external, { comment: 'masquerade', target: toMasquerade });
  if (hasExternal)
    chains.add(names.external, {
      target: { kind: 'goto', chain: port.externalLocal ? names.local : names.cluster },
    });
}

/** Without affinity a map chooses the endpoint; with it each endpoint has a chain that remembers who came. */
function addBalancing(
  port: ServicePort,
  chain: string,
  endpoints: readonly Endpoint[],
  { chains }: Build,
): void {
  if (endpoints.length === 0) return;
  if (port.stickySeconds === undefined) {
    const target: Target = {
      kind: 'dnat-one-of',
      endpoints: endpoints.map(({ address, port: number }) => ({ address, port: number })),
    };
    chains.add(chain, { protocol: port.protocol, target });
    return;
  }
  const names = endpoints.map((endpoint) => endpointNames(port, endpoint));
  for (const name of names)
    chains.add(chain, {
      recent: { name: name.affinity, check: 'rcheck', seconds: port.stickySeconds },
      target: { kind: 'goto', chain: name.chain },
    });
  chains.add(chain, { target: { kind: 'choose', chains: names.map((name) => name.chain) } });
}

function addEndpoint(
  port: ServicePort,
  endpoint: Endpoint,
  timeoutSeconds: number,
  { chains, affinity }: Build,
): void {
  const names = endpointNames(port, endpoint);
  affinity.push({ name: names.affinity, timeoutSeconds });
  chains.add(
    names.chain,
    { recent: { name: names.affinity, check: 'set' }, target: { kind: 'none' } },
    {
      protocol: port.protocol,
      target: { kind: 'dnat', address: endpoint.address, port: endpoint.port },
    },
  );
}

/** A pod that a Service leads back to itself must see another source than its own. */
function addHairpin({ protocol }: ServicePort, { address, port }: Endpoint, { hairpins }: Build): void {
  const flow = { source: address, destination: address, protocol, port };
  hairpins.set(`${address} ${protocol} ${port}`, flow);
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
