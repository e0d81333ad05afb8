import type { V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { diagnosis } from './diagnose.ts';
import { axesOf, backendsOf, balancerOf, dataplaneOf, type Findings, serviceFacts } from './findings.ts';

const node = (name: string, changes: Partial<V1Node['spec']> = {}, labels = {}): V1Node => ({
  metadata: { name, labels: { 'topology.kubernetes.io/zone': `zone-${name}`, ...labels } },
  spec: changes,
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});

const found = (changes: Partial<Findings> = {}): Findings => ({
  version: 'v1.31.2',
  nodes: [node('a'), node('b'), node('c')],
  agents: [],
  proxyMode: undefined,
  balanced: [],
  ...changes,
});

const service = (changes: Partial<V1Service['spec']> = {}, annotations = {}): V1Service => ({
  metadata: { name: 'gateway', namespace: 'shop', annotations },
  spec: { type: 'LoadBalancer', selector: { app: 'gateway' }, externalTrafficPolicy: 'Local', ...changes },
});

const slices: V1EndpointSlice[] = [
  {
    metadata: { labels: { 'kubernetes.io/service-name': 'gateway' } },
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.0.0.1'], nodeName: 'b', conditions: { ready: true } },
      { addresses: ['10.0.0.2'], nodeName: 'c', conditions: { ready: false } },
    ],
  },
];

test('Dataplane V2 is known by anetd, though a kube-proxy DaemonSet without pods is there as well', () => {
  const agents = ['kube-proxy', 'anetd', 'anetd-x2j4k'];
  expect(dataplaneOf(found({ agents })).words).toMatch(/^Dataplane V2.*version is not told/);
  expect(dataplaneOf(found({ agents, ciliumImage: 'gke.gcr.io/cilium/cilium:v1.14.3-gke.10' })).axis).toBe(
    'cilium-1.13',
  );
});

test("GKE's kube-proxies are static pods and run iptables", () => {
  expect(dataplaneOf(found({ agents: ['kube-proxy-gke-pool-1-aaaa'] }))).toEqual({
    words: 'kube-proxy, iptables (its default, nobody tells)',
    axis: 'iptables',
  });
});

test('the chains of before 1.24 are told, and predicted by the release', () => {
  const old = found({ version: 'v1.22.8-gke.200', proxyMode: 'iptables' });
  expect(dataplaneOf(old).words).toContain('chains of before 1.24');
  expect(axesOf(old, 'load-balancer')).toMatchObject({ proxy: 'iptables', kubernetes: '1.22' });
  expect(dataplaneOf(found({ version: 'v1.24.0', proxyMode: 'iptables' })).words).not.toContain(
    'before 1.24',
  );
  expect(dataplaneOf(found({ version: 'v1.22.8', proxyMode: 'ipvs' })).axis).toBe('ipvs');
});

test('Cilium beside a kube-proxy leaves Services to kube-proxy', () => {
  expect(dataplaneOf(found({ agents: ['cilium', 'kube-proxy'] })).axis).toBe('iptables');
  const ciliumImage = 'quay.io/cilium/cilium:v1.19.1@sha256:4117';
  expect(dataplaneOf(found({ agents: ['cilium'], ciliumImage })).axis).toBe('cilium-1.19');
});

test('what may not be read is said to be unknown and not guessed', () => {
  expect(dataplaneOf(found({ agents: undefined }))).toEqual({
    words: 'unknown: kube-system may not be read',
    axis: undefined,
  });
});

test("Google's balancer is a target pool unless the Service says otherwise", () => {
  const google = found({ nodes: [node('a', { providerID: 'gce://project/europe-west1-b/a' })] });
  expect(balancerOf(google, service()).axis).toBe('target-pool');
  expect(balancerOf(google, service({}, { 'cloud.google.com/l4-rbs': 'enabled' })).axis).toBe(
    'backend-service',
  );
  expect(
    balancerOf(google, service({ loadBalancerClass: 'networking.gke.io/l4-regional-external' })).axis,
  ).toBe('backend-service-neg');
  const held = service({}, { 'service.kubernetes.io/backend-service': 'k8s2-x' });
  const by = (finalizer: string) =>
    balancerOf(google, { ...held, metadata: { ...held.metadata, finalizers: [finalizer] } }).axis;
  expect(by('gke.networking.io/l4-netlb-v2')).toBe('backend-service');
  expect(by('gke.networking.io/l4-netlb-v3')).toBe('backend-service-neg');
});

test('balancers of other clouds and of bare metal are known by what their controllers leave behind', () => {
  const on = (providerID: string) => found({ nodes: [node('a', { providerID })] });
  const aws = on('aws:///eu/i-0');
  const type = 'service.beta.kubernetes.io/aws-load-balancer-type';
  const targets = 'service.beta.kubernetes.io/aws-load-balancer-nlb-target-type';
  expect(balancerOf(aws, service({}, { [type]: 'external' })).axis).toBe('nlb-instance');
  expect(balancerOf(aws, service({}, { [type]: 'external', [targets]: 'ip' })).axis).toBe('nlb-ip');
  expect(balancerOf(aws, service({ loadBalancerClass: 'service.k8s.aws/nlb' })).axis).toBe('nlb-instance');
  expect(balancerOf(aws, service()).axis).toBeUndefined();
  expect(balancerOf(on('azure:///subscriptions/x'), service()).axis).toBe('azure');
  expect(balancerOf(found(), service({}, { 'metallb.io/ip-allocated-from-pool': 'first' }))).toMatchObject({
    axis: undefined,
    exists: true,
    words: expect.stringContaining('--balancer metallb-l2|metallb-bgp|metallb-bgp-resilient'),
  });
});

test('a balancer that is not modelled is no balancer of the axis, but it is one', () => {
  expect(balancerOf(found({ nodes: [node('a', { providerID: 'aws:///eu/i-0' })] }))).toMatchObject({
    axis: undefined,
    exists: true,
  });
  expect(balancerOf(found({ balanced: ['192.0.2.1'] }))).toMatchObject({ axis: undefined, exists: true });
  expect(balancerOf(found())).toMatchObject({ axis: undefined, exists: false });
});

test('control-plane nodes and nodes that are not ready take no traffic', () => {
  const nodes = [
    node('a'),
    node('b', {}, { 'node-role.kubernetes.io/control-plane': '' }),
    { ...node('c'), status: { conditions: [{ type: 'Ready', status: 'False' }] } },
  ];
  expect(backendsOf(nodes).map(({ metadata }) => metadata?.name)).toEqual(['a']);
});

test('through node ports no balancer is in the way, so that flows stay', () => {
  const findings = found({ proxyMode: 'nftables' });
  expect(axesOf(findings, 'node-port')).toEqual({
    kubernetes: '1.31',
    nodes: '3',
    proxy: 'nftables',
    balancer: 'target-pool-persistent',
  });
  expect(axesOf(findings, 'load-balancer')).toEqual({
    kubernetes: '1.31',
    nodes: '3',
    proxy: 'nftables',
  });
});

test('a Service is told with its policy, its endpoints and who checks its health', () => {
  expect(serviceFacts({ service: service({ healthCheckNodePort: 31_234 }), slices })).toMatchObject({
    service: 'shop/gateway, type LoadBalancer',
    externalTrafficPolicy: 'Local',
    endpoints: '1 ready on b',
    'health check': 'node port 31234 of this Service: fails on nodes without an endpoint',
  });
});

test('trafficDistribution is told with the hints that there are, and predicted where it is modelled', () => {
  const near = service({ trafficDistribution: 'PreferSameZone' });
  const hinted = slices.map((slice) => ({
    ...slice,
    endpoints: (slice.endpoints ?? []).map((endpoint) => ({
      ...endpoint,
      hints: { forZones: [{ name: 'zone-b' }] },
    })),
  }));
  const told = (given: V1Service, of: V1EndpointSlice[]) =>
    serviceFacts({ service: given, slices: of }).trafficDistribution;
  expect(told(service(), slices)).toBe('none: any endpoint');
  expect(told(near, slices)).toBe('PreferSameZone: 0 of 1 ready endpoints carry hints');
  expect(told(near, hinted)).toBe('PreferSameZone: 1 of 1 ready endpoints carry hints');
  const axes = (given: V1Service) => diagnosis(found(), { service: given, slices }, new Map()).axes;
  expect(axes(near)).toMatchObject({ trafficDistribution: 'PreferSameZone', kubernetes: '1.31' });
  expect(axes(service())).toMatchObject({ trafficDistribution: 'none' });
  expect(axes(service({ trafficDistribution: 'PreferMoon' }))).not.toHaveProperty('trafficDistribution');
});

test('a diagnosis predicts for the policy that the Service has, and for both where there is none', () => {
  const local = diagnosis(found({ proxyMode: 'iptables' }), { service: service(), slices }, new Map());
  expect(local.axes).toMatchObject({ policy: 'Local', pods: '1', nodes: '3', proxy: 'iptables' });
  expect(diagnosis(found(), undefined, new Map()).axes).toMatchObject({ policy: 'Cluster,Local' });
});

test('every doubt about a prediction is told', () => {
  const { doubts } = diagnosis(found({ agents: undefined }), undefined, new Map(), ['a first doubt']);
  expect(doubts).toHaveLength(3);
  expect(doubts[0]).toBe('a first doubt');
  const google = found({ nodes: [node('a', { providerID: 'gce://p/z/a' })], proxyMode: 'iptables' });
  expect(diagnosis(google, { service: service(), slices }, new Map()).doubts).toEqual([]);
});

test('health ports say which nodes answered', () => {
  const health = new Map([
    [10_256, ['a', 'b', 'c']],
    [31_234, []],
  ]);
  expect(diagnosis(found(), undefined, health).facts).toMatchObject({
    'port 10256 from here': '3 of 3 nodes answer 200: a, b, c',
    'port 31234 from here': 'no node answers 200 (closed to this machine, or unhealthy)',
  });
});
