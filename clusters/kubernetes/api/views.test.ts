import { expect, test } from 'vitest';
import { autoscalerView, endpointsView, podGone, podView, serviceView } from './views.ts';

const pod = (changes: object = {}) => ({
  metadata: { name: 'gateway-v1-x', labels: { version: 'v1' } },
  spec: { nodeName: 'node-a', containers: [] },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T03:04:05Z' as never }],
    containerStatuses: [{ name: 'gateway', state: { running: {} } }] as never,
  },
  ...changes,
});

test('a running pod is told with the time of its last condition', () => {
  expect(podView(pod())).toEqual({
    event: { type: 'pod', pod: 'gateway-v1-x', version: 'v1', node: 'node-a', phase: 'running', ready: true },
    apiTime: '2026-01-02T03:04:05.000Z',
  });
});

test('a pod with containers that wait is pending and says why', () => {
  const waiting = pod({
    status: { phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ImagePullBackOff' } } }] },
  });
  expect(podView(waiting).event).toMatchObject({ phase: 'pending', ready: false, why: 'ImagePullBackOff' });
});

test('a deleted pod is terminating since its grace period began, not since it will end', () => {
  const deleted = pod({
    metadata: {
      name: 'p',
      deletionTimestamp: '2026-01-02T03:05:00Z',
      deletionGracePeriodSeconds: 30,
    },
  });
  const { event, apiTime } = podView(deleted);
  expect(event).toMatchObject({ phase: 'terminating', why: 'deleted, 30 s of grace' });
  expect(apiTime).toBe('2026-01-02T03:04:30.000Z');
});

test('a pod that was killed says how its container ended', () => {
  const failed = pod({
    status: {
      phase: 'Failed',
      containerStatuses: [{ state: { terminated: { reason: 'OOMKilled', exitCode: 137 } } }],
    },
  });
  expect(podView(failed).event).toMatchObject({ phase: 'gone', why: 'OOMKilled (exit code 137)' });
  expect(podGone(pod()).event).toMatchObject({ phase: 'gone', ready: false });
});

test('the endpoints of a Service are those of all its slices, ordered by pod', () => {
  const slice = (pod: string, conditions: object) => ({
    addressType: 'IPv4',
    metadata: {
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-02T03:04:05Z' },
    },
    endpoints: [{ addresses: ['10.0.0.1'], targetRef: { name: pod }, nodeName: 'node-a', conditions }],
  });
  const { event, apiTime } = endpointsView('gateway', [
    slice('b', { ready: false, serving: true, terminating: true }),
    slice('a', { ready: true }),
  ]);
  expect(event).toEqual({
    type: 'endpoints',
    service: 'gateway',
    endpoints: [
      { pod: 'a', node: 'node-a', ready: true, serving: true, terminating: false },
      { pod: 'b', node: 'node-a', ready: false, serving: true, terminating: true },
    ],
  });
  expect(apiTime).toBe('2026-01-02T03:04:05.000Z');
});

test('an autoscaler tells what its conditions say', () => {
  const view = autoscalerView({
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'gateway-v1' } },
    status: {
      currentReplicas: 1,
      desiredReplicas: 3,
      conditions: [{ type: 'AbleToScale', status: 'True', message: 'ready for new scale' }],
      lastScaleTime: '2026-01-02T03:04:05Z' as never,
    },
  });
  expect(view).toEqual({
    event: {
      type: 'autoscaler',
      target: 'gateway-v1',
      current: 1,
      desired: 3,
      why: 'AbleToScale True: ready for new scale',
    },
    apiTime: '2026-01-02T03:04:05.000Z',
  });
});

test('a Service tells what decides where its packets go', () => {
  const { event } = serviceView({
    metadata: { name: 'gateway' },
    spec: { selector: { app: 'gateway' }, externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
  });
  expect(event).toMatchObject({
    values: {
      selector: 'app=gateway',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31000,
      loadBalancer: '192.0.2.1',
    },
  });
});
