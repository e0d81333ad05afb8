import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import fc from 'fast-check';

const number = (most: number) => fc.integer({ min: 1, max: most });
const policy = fc.constantFrom('Cluster', 'Local');
const condition = fc.constantFrom(
  {},
  { ready: true, serving: true, terminating: false },
  { ready: false, serving: true, terminating: true },
  { ready: false, serving: false, terminating: true },
  { ready: false, serving: false, terminating: false },
);

const endpoint = fc.record({
  node: number(3),
  pod: fc.integer({ min: 2, max: 250 }),
  conditions: condition,
});

const shape = fc.record({
  type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
  external: policy,
  internal: policy,
  affinity: fc.boolean(),
  addresses: fc.uniqueArray(number(250), { maxLength: 2 }),
  ranges: fc.subarray(['192.0.2.0/24', '172.18.0.0/16', '10.0.0.0/8', '203.0.113.7/32']),
  ingress: fc.uniqueArray(number(250), { maxLength: 2 }),
  ports: fc.subarray(['tcp', 'udp', 'sctp'], { minLength: 1 }),
  endpoints: fc.uniqueArray(endpoint, { selector: ({ node, pod }) => `${node}.${pod}`, maxLength: 6 }),
});

/** Any Services that the API server could hold, of all types, policies and protocols, with their slices. */
export const anyServices: fc.Arbitrary<{ services: V1Service[]; slices: V1EndpointSlice[] }> = fc
  .array(shape, { minLength: 1, maxLength: 3 })
  .map((shapes) => ({
    services: shapes.map((each, index): V1Service => {
      const exposed = each.type !== 'ClusterIP';
      return {
        metadata: { name: `svc-${index}`, namespace: 'default' },
        spec: {
          type: each.type,
          clusterIP: `10.96.0.${index + 1}`,
          ports: each.ports.map((protocol, place) => ({
            name: protocol,
            protocol: protocol.toUpperCase(),
            port: 80 + place,
            ...(exposed ? { nodePort: 30_000 + index * 10 + place } : {}),
          })),
          internalTrafficPolicy: each.internal,
          ...(exposed ? { externalTrafficPolicy: each.external } : {}),
          ...(each.type === 'LoadBalancer'
            ? { loadBalancerSourceRanges: each.ranges, healthCheckNodePort: 32_000 + index }
            : {}),
          externalIPs: each.addresses.map((byte) => `198.51.${index}.${byte}`),
          ...(each.affinity ? { sessionAffinity: 'ClientIP' } : {}),
        },
        status: {
          loadBalancer:
            each.type === 'LoadBalancer'
              ? { ingress: each.ingress.map((byte) => ({ ip: `172.18.${200 + index}.${byte}` })) }
              : {},
        },
      };
    }),
    slices: shapes.map(
      (each, index): V1EndpointSlice => ({
        addressType: 'IPv4',
        metadata: {
          name: `svc-${index}-abcde`,
          namespace: 'default',
          labels: { 'kubernetes.io/service-name': `svc-${index}` },
        },
        ports: each.ports.map((protocol) => ({
          name: protocol,
          protocol: protocol.toUpperCase(),
          port: 8080,
        })),
        endpoints: each.endpoints.map(({ node, pod, conditions }) => ({
          addresses: [`10.244.${node}.${pod}`],
          nodeName: `node-${node}`,
          conditions,
        })),
      }),
    ),
  }));
