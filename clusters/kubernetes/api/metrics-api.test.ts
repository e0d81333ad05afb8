import { expect, test } from 'vitest';
import { answerMetrics, cpuByPod, matches, type PodSample } from './metrics-api.ts';

const sample = (name: string, release: string, changes: Partial<PodSample> = {}): PodSample => ({
  name,
  labels: { app: 'gateway', release },
  at: '2026-01-02T03:04:05Z',
  ...changes,
});
const ask = (path: string, query: string, samples: readonly PodSample[]) =>
  answerMetrics(path, new URLSearchParams(query), 'run', samples);

test('an autoscaler by CPU gets the processor time of the pods that its selector matches', () => {
  const samples = [
    sample('a', 'gateway-v1', { cpu: { gateway: 12_345_678 } }),
    sample('b', 'gateway-v2', { cpu: { gateway: 1 } }),
    sample('c', 'gateway-v1'),
  ];
  expect(
    ask('/apis/metrics.k8s.io/v1beta1/namespaces/run/pods', 'labelSelector=release%3Dgateway-v1', samples),
  ).toMatchObject({
    kind: 'PodMetricsList',
    items: [
      {
        metadata: { name: 'a', namespace: 'run' },
        window: '15s',
        containers: [{ name: 'gateway', usage: { cpu: '12345678n' } }],
      },
    ],
  });
});

test('an autoscaler by connections gets their sum over the pods that its selector matches', () => {
  const samples = [
    sample('a', 'gateway-v1', { connections: 7 }),
    sample('b', 'gateway-v1', { connections: 5 }),
    sample('c', 'gateway-v2', { connections: 100 }),
    sample('d', 'gateway-v1'),
  ];
  expect(
    ask(
      '/apis/external.metrics.k8s.io/v1beta1/namespaces/run/connections',
      'labelSelector=app%3Dgateway%2Crelease%3Dgateway-v1',
      samples,
    ),
  ).toMatchObject({ items: [{ metricName: 'connections', value: '12' }] });
});

test('discovery names what is served, and nothing else is found', () => {
  expect(ask('/apis/metrics.k8s.io/v1beta1', '', [])).toMatchObject({ resources: [{ name: 'pods' }] });
  expect(ask('/apis/external.metrics.k8s.io/v1beta1', '', [])).toMatchObject({ kind: 'APIResourceList' });
  expect(ask('/apis/metrics.k8s.io/v1beta1/namespaces/other/pods', '', [])).toBeUndefined();
});

test('selectors match by equality and membership, all of their terms', () => {
  const labels = { app: 'gateway', release: 'b' };
  expect(matches(labels, '')).toBe(true);
  expect(matches(labels, 'app=gateway')).toBe(true);
  expect(matches(labels, 'app=gateway,release in (a,b)')).toBe(true);
  expect(matches(labels, 'release in (a,c),app=gateway')).toBe(false);
  expect(matches(labels, 'app=other')).toBe(false);
});

test("a kubelet's summary is read for one namespace, and pods without a measurement are left out", () => {
  const pod = (name: string, namespace: string, usageNanoCores?: number) => ({
    podRef: { name, namespace },
    containers: [{ name: 'gateway', cpu: usageNanoCores === undefined ? {} : { usageNanoCores } }],
  });
  const summary = { pods: [pod('a', 'run', 5), pod('b', 'run'), pod('c', 'other', 7)] };
  expect([...cpuByPod(summary, 'run')]).toEqual([['a', { gateway: 5 }]]);
});
