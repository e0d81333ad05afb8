import type { V1EndpointSlice } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { KubeError } from '../../../harness/errors.ts';
import { asSliceV1, normalise, servedGroups, servedVersion } from './api-versions.ts';

const groups = (served: Record<string, string[]>) =>
  servedGroups({
    groups: Object.entries(served).map(([name, versions]) => ({
      name,
      versions: versions.map((version) => ({ version })),
    })),
  });

const KUBERNETES_1_20 = groups({
  apps: ['v1'],
  autoscaling: ['v1', 'v2beta1', 'v2beta2'],
  'discovery.k8s.io': ['v1beta1'],
});
const KUBERNETES_1_34 = groups({ apps: ['v1'], autoscaling: ['v2', 'v1'], 'discovery.k8s.io': ['v1'] });

test('Kubernetes 1.20 is spoken to in the beta versions that have the same shape', () => {
  expect(servedVersion('EndpointSlice', KUBERNETES_1_20)).toBe('discovery.k8s.io/v1beta1');
  expect(servedVersion('HorizontalPodAutoscaler', KUBERNETES_1_20)).toBe('autoscaling/v2beta2');
});

test('a current server is spoken to in the stable versions', () => {
  expect(servedVersion('EndpointSlice', KUBERNETES_1_34)).toBe('discovery.k8s.io/v1');
  expect(servedVersion('HorizontalPodAutoscaler', KUBERNETES_1_34)).toBe('autoscaling/v2');
  expect(servedVersion('Pod', KUBERNETES_1_34)).toBe('v1');
});

test('a kind of an add-on is spoken to in whichever version its group serves', () => {
  const older = groups({ 'gateway.networking.k8s.io': ['v1beta1', 'v1alpha2'] });
  expect(servedVersion('HTTPRoute', older)).toBe('gateway.networking.k8s.io/v1beta1');
});

test('a kind whose group is not installed is not found, and the error says what is served and needed', () => {
  expect(() => servedVersion('HTTPRoute', KUBERNETES_1_34)).toThrow(KubeError);
  expect(() => servedVersion('HTTPRoute', KUBERNETES_1_34)).toThrow(
    /no version of gateway.networking.k8s.io/,
  );
  const first = groups({ autoscaling: ['v1'] });
  expect(() => servedVersion('HorizontalPodAutoscaler', first)).toThrow(
    /autoscaling v1 only, needed is v2 or v2beta2/,
  );
});

test('a v1beta1 slice gets the node and zone of each endpoint from its topology', () => {
  const beta = {
    apiVersion: 'discovery.k8s.io/v1beta1',
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.244.1.5'],
        topology: { 'kubernetes.io/hostname': 'node-a', 'topology.kubernetes.io/zone': 'zone-a' },
      },
    ],
  };
  expect(asSliceV1(beta as V1EndpointSlice)).toEqual({
    apiVersion: 'discovery.k8s.io/v1',
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.244.1.5'], nodeName: 'node-a', zone: 'zone-a' }],
  });
});

test('a slice without endpoints has an empty list, although the API server writes null', () => {
  const slice = { apiVersion: 'discovery.k8s.io/v1', addressType: 'IPv4', endpoints: null };
  expect(normalise(slice as never, 'EndpointSlice')).toMatchObject({ endpoints: [] });
});

test('an item of a list says its kind and version, in the words of harness/contracts/kube.ts', () => {
  expect(normalise({ metadata: { name: 'a' } } as never, 'Deployment')).toEqual({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
  });
  expect(normalise({ apiVersion: 'autoscaling/v2beta2' } as never, 'HorizontalPodAutoscaler')).toEqual({
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
  });
});

test('a Gateway of Istio is not one of the Gateway API', () => {
  const both = new Map([
    ['gateway.networking.k8s.io', ['v1']],
    ['networking.istio.io', ['v1', 'v1beta1']],
  ]);
  expect(servedVersion('Gateway', both)).toBe('gateway.networking.k8s.io/v1');
  expect(servedVersion('Gateway', both, 'networking.istio.io/v1')).toBe('networking.istio.io/v1');
  expect(servedVersion('VirtualService', new Map([['networking.istio.io', ['v1beta1']]]))).toBe(
    'networking.istio.io/v1beta1',
  );
  expect(() => servedVersion('VirtualService', KUBERNETES_1_34)).toThrow(
    'serves no version of networking.istio.io',
  );
});
