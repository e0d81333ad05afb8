import { expect, test } from 'vitest';
import type { Get } from '../kubernetes/api/api-connection.ts';
import { readFindings, readSubject } from './read-findings.ts';

/** An API server that answers by path and refuses everything else, as a role with few rights does. */
const server =
  (answers: Readonly<Record<string, unknown>>): Get =>
  async (path) => {
    if (!(path in answers)) throw new Error(`forbidden: ${path}`);
    const answer = answers[path];
    return typeof answer === 'string' ? answer : JSON.stringify(answer);
  };

const BASE = {
  '/version': { gitVersion: 'v1.20.2' },
  '/api/v1/nodes': { items: [{ metadata: { name: 'node-a' } }] },
};

test('a user who may read nodes only still gets findings', async () => {
  expect(await readFindings(server(BASE))).toEqual({
    version: 'v1.20.2',
    nodes: [{ metadata: { name: 'node-a' } }],
    agents: undefined,
    proxyMode: undefined,
    balanced: [],
  });
});

test("kube-proxy's mode is read from its configuration, where an empty mode is iptables", async () => {
  const get = server({
    ...BASE,
    '/api/v1/namespaces/kube-system/configmaps/kube-proxy': {
      data: { 'config.conf': 'mode: ""\nkind: x\n' },
    },
  });
  expect((await readFindings(get)).proxyMode).toBe('iptables');
});

test('without a configuration a kube-proxy itself is asked', async () => {
  const get = server({ ...BASE, '/api/v1/nodes/node-a:10249/proxy/proxyMode': 'ipvs' });
  expect((await readFindings(get)).proxyMode).toBe('ipvs');
});

test('an answer that is no mode is none', async () => {
  const get = server({ ...BASE, '/api/v1/nodes/node-a:10249/proxy/proxyMode': '<html>404</html>' });
  expect((await readFindings(get)).proxyMode).toBeUndefined();
});

test('addresses that Services were given show that there is a balancer', async () => {
  const items = [
    { spec: { type: 'LoadBalancer' }, status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } } },
    { spec: { type: 'ClusterIP' }, status: { loadBalancer: {} } },
  ];
  expect((await readFindings(server({ ...BASE, '/api/v1/services': { items } }))).balanced).toEqual([
    '192.0.2.1',
  ]);
});

test('the endpoints of a Service are read in the version that the server serves', async () => {
  const get = server({
    '/api/v1/namespaces/shop/services/gateway': { metadata: { name: 'gateway' } },
    '/apis': { groups: [{ name: 'discovery.k8s.io', versions: [{ version: 'v1beta1' }] }] },
    '/apis/discovery.k8s.io/v1beta1/namespaces/shop/endpointslices': {
      items: [{ endpoints: [{ addresses: ['10.0.0.1'], topology: { 'kubernetes.io/hostname': 'node-b' } }] }],
    },
  });
  const { slices } = await readSubject(get, 'shop', 'gateway');
  expect(slices[0]?.endpoints?.[0]?.nodeName).toBe('node-b');
});
