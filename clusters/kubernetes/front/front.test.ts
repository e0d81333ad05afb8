import type { KubernetesObject, V1Ingress, V1Node, V1Service } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import type { Event } from '../../../harness/contracts/event.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { ingressWorkload } from '../../../harness/workload/ingress-workload.ts';
import { meshWorkload } from '../../../harness/workload/mesh-workload.ts';
import { type Asked, fakeApiServer } from '../api/fake-api-server.fixture.ts';
import { KubeClient } from '../api/kube-client.ts';
import type { Entrance } from './entrance.ts';
import type { FoundHops } from './found-hops.ts';
import { Front } from './front.ts';

const NONE = { why: 'not there' };
const NGINX = { there: { className: 'outer-nginx', pods: [] } };
const GATEWAYS = { there: { className: 'eg', controller: 'gateway.envoyproxy.io/x', version: 'v1' } };
const MESH = { there: { labels: { 'istio.io/rev': 'stable' }, api: 'networking.istio.io/v1' } };

const SERVED = {
  'networking.k8s.io/v1': [['Ingress', 'ingresses', true]],
  'gateway.networking.k8s.io/v1': [
    ['Gateway', 'gateways', true],
    ['HTTPRoute', 'httproutes', true],
  ],
} as const;

const node = (name: string, address: string): V1Node => ({
  metadata: { name },
  status: {
    addresses: [{ type: 'InternalIP', address }],
    conditions: [{ type: 'Ready', status: 'True' }],
  },
});
const NODES = [node('a', '192.0.2.1'), node('b', '192.0.2.2')];

const controllerService = (spec: V1Service['spec'], address?: string): V1Service => ({
  metadata: { name: 'ingress-nginx-controller', namespace: 'ingress-nginx' },
  spec: { ports: [{ name: 'http', port: 80, nodePort: 30_080 }], ...spec },
  ...(address === undefined ? {} : { status: { loadBalancer: { ingress: [{ ip: address }] } } }),
});

/** A front on an API server that stores nothing: what exists of a kind, `lists` says by its plural. */
async function fronted(
  hops: Partial<FoundHops>,
  options: { lists?: Record<string, KubernetesObject[]>; entrance?: Entrance; services?: V1Service[] } = {},
) {
  const answer = ({ method, path, query, body }: Asked) => {
    if (method !== 'GET') return { json: body };
    if (path.endsWith('/log')) return { status: 403, json: { kind: 'Status', reason: 'Forbidden' } };
    if (query.has('watch')) return { watch: [], open: true };
    const items = options.lists?.[path.split('/').at(-1) ?? ''] ?? [];
    return { json: { metadata: { resourceVersion: '1' }, items } };
  };
  const server = await fakeApiServer(answer, SERVED as never);
  const clock = new ScaledClock(100);
  const kube = await KubeClient.connect({ config: server.config, clock, namespace: 'run-1' });
  const events: Event[] = [];
  const front = new Front({
    hops: { ingress: NONE, gatewayApi: NONE, mesh: NONE, ...hops },
    kube,
    clock,
    entrance: options.entrance ?? 'load-balancer',
    nodes: () => NODES,
    services: () => options.services ?? [],
    record: (event) => events.push(event),
  });
  return {
    front,
    events,
    asked: server.asked,
    /** The way in, once the watch has told what exists. */
    async wayIn(name: string) {
      while (front.wayIn(name) === undefined) await clock.sleep(100);
      return front.wayIn(name);
    },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const axes = defaultAxes();
const { ingress, canary, route, neighbour } = ingressWorkload(axes);
const HOST = 'run-1.onedrop.test';
const existing = (status: object = {}) => ({ metadata: { name: 'gateway' }, status }) as KubernetesObject;

test("an Ingress and its canary get the cluster's class and a host that no other run has", async () => {
  await using used = await fronted({ ingress: NGINX });
  for (const object of [ingress('gateway-main'), canary(25)]) {
    const { metadata, spec } = await used.front.dress(object);
    expect(metadata).toEqual(object.metadata);
    expect(spec).toMatchObject({ ingressClassName: 'outer-nginx', rules: [{ host: HOST }] });
    expect(spec?.rules?.[0]?.http).toEqual(object.spec?.rules?.[0]?.http);
  }
});

test("somebody else's Ingress keeps a host of its own, which no other run has either", async () => {
  await using used = await fronted({ ingress: NGINX });
  const { spec } = await used.front.dress(neighbour(1) as V1Ingress);
  expect(spec?.rules?.map(({ host }) => host)).toEqual([`neighbour-1.example.${HOST}`]);
});

test('until something in front is asked for, nothing is watched and every object stays as it is', async () => {
  await using used = await fronted({ ingress: NGINX, gatewayApi: GATEWAYS, mesh: MESH });
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'gateway' } };
  expect(await used.front.dress(service)).toBe(service);
  expect(used.front.wayIn('gateway')).toBeUndefined();
  expect(used.asked).toEqual([]);
});

test('clients come by the balancer of the controller, and ask for the host', async () => {
  const service = controllerService({ type: 'LoadBalancer' }, '198.51.100.7');
  await using used = await fronted(
    { ingress: { there: { ...NGINX.there, service } } },
    { lists: { ingresses: [existing()] } },
  );
  await used.front.dress(ingress('gateway-main'));
  expect(await used.wayIn('gateway')).toEqual({ way: { hosts: ['198.51.100.7'], port: 80 }, host: HOST });
});

test('without a balancer they come by node ports, with Local only those of nodes with a controller', async () => {
  const pods = [{ namespace: 'ingress-nginx', name: 'x', node: 'b' }];
  for (const [externalTrafficPolicy, hosts] of [
    ['Cluster', ['192.0.2.1', '192.0.2.2']],
    ['Local', ['192.0.2.2']],
  ] as const) {
    const service = controllerService({ type: 'NodePort', externalTrafficPolicy });
    await using used = await fronted(
      { ingress: { there: { ...NGINX.there, pods, service } } },
      // What ingress-nginx writes there for a Service of this type leads nobody in from outside.
      { lists: { ingresses: [existing({ loadBalancer: { ingress: [{ ip: '10.96.0.9' }] } })] } },
    );
    await used.front.dress(ingress('gateway-main'));
    expect((await used.wayIn('gateway'))?.way).toEqual({ hosts, port: 30_080 });
  }
});

test("without a Service they come by what the controller writes into the Ingress's status", async () => {
  await using used = await fronted(
    { ingress: NGINX },
    { lists: { ingresses: [existing({ loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } })] } },
  );
  await used.front.dress(ingress('gateway-main'));
  expect((await used.wayIn('gateway'))?.way).toEqual({ hosts: ['192.0.2.9'], port: 80 });
  expect(used.events).toContainEqual(
    expect.objectContaining({
      type: 'evidence',
      source: 'Ingress gateway',
      values: { address: '192.0.2.9:80', host: HOST },
    }),
  );
});

test('that reloads are not seen is said, once for each pod whose log may not be read', async () => {
  const pods = ['x', 'y'].map((name) => ({ namespace: 'ingress-nginx', name, node: 'a' }));
  await using used = await fronted({ ingress: { there: { ...NGINX.there, pods } } });
  await used.front.dress(ingress('gateway-main'));
  const logs = () => used.asked.filter(({ path }) => path.endsWith('/log'));
  while (logs().length < 6) await new ScaledClock(100).sleep(100);
  const notes = used.events.flatMap((event) => (event.type === 'note' ? [event.text] : []));
  expect(notes.map((text) => text.split(':')[0]).sort()).toEqual([
    'reloads of x may not be seen',
    'reloads of y may not be seen',
  ]);
});

test('a route gets a host and, once, the Gateway that it hangs on, of the class found', async () => {
  await using used = await fronted({ gatewayApi: GATEWAYS });
  for (const weight of [0, 50])
    expect(await used.front.dress(route(weight))).toMatchObject({ spec: { hostnames: [HOST] } });
  const written = used.asked.filter(({ method }) => method === 'PATCH');
  expect(written).toMatchObject([
    {
      path: '/api/v1/namespaces/run-1',
      body: { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } },
    },
    {
      path: '/apis/gateway.networking.k8s.io/v1/namespaces/run-1/gateways/gateway',
      body: { spec: { gatewayClassName: 'eg', listeners: [{ port: 80, protocol: 'HTTP' }] } },
    },
  ]);
});

test("clients come by the Gateway's own addresses, but not by a name of the cluster's DNS", async () => {
  const addresses = [{ value: 'gateway-istio.run-1.svc.cluster.local' }, { value: '198.51.100.8' }];
  await using used = await fronted(
    { gatewayApi: GATEWAYS },
    { lists: { gateways: [existing({ addresses })] } },
  );
  await used.front.dress(route(0));
  expect(await used.wayIn('gateway')).toEqual({ way: { hosts: ['198.51.100.8'], port: 80 }, host: HOST });
});

test('or by the node port of the Service that was made for the Gateway', async () => {
  const service: V1Service = {
    metadata: { name: 'gateway-istio', labels: { 'gateway.networking.k8s.io/gateway-name': 'gateway' } },
    spec: { type: 'LoadBalancer', ports: [{ name: 'http', port: 80, nodePort: 31_234 }] },
  };
  await using used = await fronted(
    { gatewayApi: GATEWAYS },
    { lists: { gateways: [existing()] }, entrance: 'node-port', services: [service] },
  );
  await used.front.dress(route(0));
  expect((await used.wayIn('gateway'))?.way).toEqual({ hosts: ['192.0.2.1', '192.0.2.2'], port: 31_234 });
});

test('the namespace joins the mesh with the first pod that asks for a sidecar, and not before', async () => {
  await using used = await fronted({ mesh: MESH });
  const { service, deployment, ingressGateway } = meshWorkload(axes);
  await used.front.dress(service);
  expect(used.asked).toEqual([]);
  for (const object of [deployment('v1'), ingressGateway, deployment('v2')])
    expect(await used.front.dress(object)).toBe(object);
  expect(used.asked).toMatchObject([
    {
      method: 'PATCH',
      path: '/api/v1/namespaces/run-1',
      body: {
        metadata: {
          labels: { 'istio.io/rev': 'stable', 'pod-security.kubernetes.io/enforce': 'privileged' },
        },
      },
    },
  ]);
});
