import { expect, test } from 'vitest';
import { Random } from '../../../harness/statistics/random.ts';
import { pickUrl, wayIn } from './entrance.ts';

const node = (name: string, ip: string, ready = 'True') => ({
  metadata: { name },
  status: {
    conditions: [{ type: 'Ready', status: ready }],
    addresses: [{ type: 'InternalIP', address: ip }],
  },
});
const around = {
  nodes: [node('a', '172.18.0.11'), node('b', '172.18.0.12'), node('c', '172.18.0.13', 'False')],
  slices: [
    {
      addressType: 'IPv4',
      metadata: { labels: { 'kubernetes.io/service-name': 'gateway' } },
      endpoints: [
        { addresses: ['10.0.0.1'], nodeName: 'b', conditions: { ready: true } },
        { addresses: ['10.0.0.2'], nodeName: 'a', conditions: { ready: false } },
      ],
    },
  ],
};
const service = (policy: string) => ({
  metadata: { name: 'gateway' },
  spec: { externalTrafficPolicy: policy, ports: [{ port: 80, nodePort: 30080 }] },
  status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
});

test('clients enter through the address that the load balancer gave the Service', () => {
  expect(wayIn('load-balancer', service('Cluster'), around)).toEqual({ hosts: ['192.0.2.1'], port: 80 });
  expect(wayIn('load-balancer', { ...service('Cluster'), status: {} }, around).hosts).toEqual([]);
});

test('through a node port they enter by every ready node, or with Local by those that have a ready endpoint', () => {
  expect(wayIn('node-port', service('Cluster'), around)).toEqual({
    hosts: ['172.18.0.11', '172.18.0.12'],
    port: 30080,
  });
  expect(wayIn('node-port', service('Local'), around).hosts).toEqual(['172.18.0.12']);
});

test('there is no URL as long as there is no way in, and an IPv6 address stands in brackets', () => {
  expect(pickUrl(wayIn('node-port', undefined, around), new Random(1))).toBeUndefined();
  expect(pickUrl({ hosts: ['2001:db8::1'], port: 80 }, new Random(1))).toBe('ws://[2001:db8::1]:80/');
});
