import type { V1EndpointSlice } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { webService, webSlice } from './kube-proxy.fixture.ts';
import { contains, endpointText, servicePorts } from './service-port.ts';

const portsOf = (slices: readonly V1EndpointSlice[], vintage: '1.22' | 'current' = 'current') =>
  servicePorts([webService()], slices, { node: 'node-1' }, vintage);
const endpointsOf = (...args: Parameters<typeof portsOf>) => portsOf(...args)[0]?.endpoints ?? [];

describe('servicePorts', () => {
  it('has nothing for headless Services, ExternalName Services and those without an IPv4 address', () => {
    const services = [
      webService({ type: 'ClusterIP', clusterIP: 'None' }),
      webService({ type: 'ExternalName', externalName: 'example.test' }),
      webService({ type: 'ClusterIP', clusterIP: '' }),
      webService({ type: 'ClusterIP', clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] }),
    ];
    expect(servicePorts(services, [], { node: 'node-1' }, 'current')).toEqual([]);
  });

  it('takes the IPv4 address of a dual-stack Service, whichever comes first', () => {
    const service = webService({ clusterIP: 'fd00::1', clusterIPs: ['fd00::1', '10.96.100.9'] });
    expect(servicePorts([service], [], { node: 'node-1' }, 'current')[0]?.clusterAddress).toBe('10.96.100.9');
  });

  it('names a port after its Service, with the name of the port if it has one', () => {
    const ports = [
      { port: 80, protocol: 'TCP' },
      { name: 'udp', port: 53, protocol: 'UDP' },
    ];
    const found = servicePorts([webService({ ports })], [], { node: 'node-1' }, 'current');
    expect(found.map(({ name, protocol }) => [name, protocol])).toEqual([
      ['default/web', 'tcp'],
      ['default/web:udp', 'udp'],
    ]);
  });

  it('reads the node from nodeName, from v1beta1 topology and from deprecatedTopology', () => {
    const slice = webSlice([]) as V1EndpointSlice & { endpoints: unknown[] };
    slice.endpoints = [
      { addresses: ['10.244.1.2'], nodeName: 'node-1', conditions: {} },
      { addresses: ['10.244.1.3'], topology: { 'kubernetes.io/hostname': 'node-1' } },
      { addresses: ['10.244.1.4'], deprecatedTopology: { 'kubernetes.io/hostname': 'node-1' } },
      { addresses: ['10.244.2.2'], nodeName: 'node-2', conditions: {} },
      { addresses: ['10.244.2.3'] },
    ] as never;
    expect(endpointsOf([slice]).map(({ local }) => local)).toEqual([true, true, true, false, false]);
  });

  it('takes conditions that are not said for ready, serving and not terminating', () => {
    const slice = webSlice([]);
    slice.endpoints = [{ addresses: ['10.244.1.2'] }];
    expect(endpointsOf([slice])[0]).toMatchObject({ ready: true, serving: true, terminating: false });
  });

  it('reads a slice without endpoints and ports, as the API server writes an empty one', () => {
    const slice = { ...webSlice([]), endpoints: null, ports: null } as unknown as V1EndpointSlice;
    expect(endpointsOf([slice])).toEqual([]);
  });

  it('orders endpoints by the text of address and port, as kube-proxy does', () => {
    const addresses = ['10.244.1.9', '10.244.1.10', '10.244.1.100', '10.244.1.2'];
    const slice = webSlice(addresses.map((address) => ({ address, node: 'node-1' })));
    expect(endpointsOf([slice]).map(endpointText)).toEqual([
      '10.244.1.100:8080',
      '10.244.1.10:8080',
      '10.244.1.2:8080',
      '10.244.1.9:8080',
    ]);
  });

  it('keeps one of an endpoint that stands in two slices', () => {
    const endpoint = { address: '10.244.1.2', node: 'node-1' };
    const other = { ...webSlice([endpoint]) };
    other.metadata = { ...other.metadata, name: 'web-other' };
    expect(endpointsOf([webSlice([endpoint]), other])).toHaveLength(1);
  });

  it('forgets unready endpoints in 1.22 and keeps them now', () => {
    const slice = webSlice([
      { address: '10.244.1.2', node: 'node-1', state: 'draining' },
      { address: '10.244.1.3', node: 'node-1', state: 'unready' },
    ]);
    expect(endpointsOf([slice], '1.22')).toEqual([]);
    expect(endpointsOf([slice])).toHaveLength(2);
  });

  it('clears host bits of source ranges and leaves out what is no IPv4 range', () => {
    const loadBalancerSourceRanges = [' 10.1.2.3/8 ', 'fd00::/8', '192.0.2.7/32', 'nonsense', '1.2.3.4/33'];
    const found = servicePorts([webService({ loadBalancerSourceRanges })], [], { node: 'node-1' }, 'current');
    expect(found[0]?.sourceRanges).toEqual(['10.0.0.0/8', '192.0.2.7/32']);
  });

  it('leaves out balancers that only have a name, and those that proxy', () => {
    const service = webService();
    service.status = {
      loadBalancer: {
        ingress: [
          { hostname: 'lb.example.test' },
          { ip: '172.18.255.9', ipMode: 'Proxy' },
          { ip: '172.18.255.1' },
        ],
      },
    };
    const addresses = (vintage: '1.22' | 'current') =>
      servicePorts([service], [], { node: 'node-1' }, vintage)[0]?.balancerAddresses;
    expect(addresses('current')).toEqual(['172.18.255.1']);
    expect(addresses('1.22')).toEqual(['172.18.255.9', '172.18.255.1']);
  });

  it('has a health-check node port only for LoadBalancer Services with policy Local', () => {
    const port = (spec: object) =>
      servicePorts(
        [webService({ healthCheckNodePort: 32_000, ...spec })],
        [],
        { node: 'node-1' },
        'current',
      )[0]?.healthCheckNodePort;
    expect(port({ externalTrafficPolicy: 'Local' })).toBe(32_000);
    expect(port({ externalTrafficPolicy: 'Cluster' })).toBeUndefined();
    expect(port({ externalTrafficPolicy: 'Local', type: 'NodePort' })).toBeUndefined();
  });
});

describe('contains', () => {
  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['192.0.2.7/32', '192.0.2.7', true],
    ['192.0.2.7/32', '192.0.2.8', false],
    ['172.18.0.0/15', '172.19.1.1', true],
  ])('%s and %s: %s', (range, address, expected) => {
    expect(contains(range, address)).toBe(expected);
  });
});
