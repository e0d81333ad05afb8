import type { V1Container, V1Pod, V1Service } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { OfInterest, versionOf } from './of-interest.ts';
import { workloadFindings } from './workload-findings.ts';

const workload = (
  kind: 'Deployment' | 'StatefulSet' | 'Rollout',
  spec: object = {},
  container: Partial<V1Container> = {},
) => ({
  kind,
  object: {
    metadata: { name: 'gateway' },
    spec: {
      replicas: 4,
      selector: {},
      template: { spec: { terminationGracePeriodSeconds: 90, containers: [{ name: 'ws', ...container }] } },
      ...spec,
    },
  } as never,
});

describe('what a workload says of its release', () => {
  test('are the axes that a prediction is played with', () => {
    const sleeping = { lifecycle: { preStop: { exec: { command: ['sh', '-c', 'sleep 15'] } } } };
    const strategy = { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
    const { axes, facts } = workloadFindings([workload('Deployment', strategy, sleeping)], []);
    expect(axes).toEqual({ pods: '4', maxSurge: '1', maxUnavailable: '0', grace: '90s', preStop: '15s' });
    expect(facts).toMatchObject({
      workload: 'Deployment gateway, 4 replicas',
      preStop: '15 s',
      readinessProbe: 'none',
    });
  });

  test.each([
    ['StatefulSet', {}, { maxSurge: '0', maxUnavailable: '1' }, /replaces one pod at a time/],
    ['Deployment', { strategy: { type: 'Recreate' } }, { maxSurge: '0', maxUnavailable: '100%' }, /SIGTERM/],
    ['Deployment', {}, { maxSurge: '25%', maxUnavailable: '25%' }, /SIGTERM/],
    ['Rollout', {}, {}, /steps of an Argo Rollout are not modelled/],
  ] as const)('a %s %j is predicted with %j', (kind, spec, axes, doubt) => {
    const found = workloadFindings([workload(kind, spec)], []);
    expect(found.axes).toMatchObject(axes);
    expect(found.doubts.join()).toMatch(doubt);
  });

  test.each([
    [{ lifecycle: { preStop: { sleep: { seconds: 7 } } } }, '7s'],
    [{ lifecycle: { preStop: { exec: { command: ['/bin/sleep', '20'] } } } }, '20s'],
    [{ lifecycle: { preStop: { httpGet: { port: 80 } } } }, undefined],
    [{}, undefined],
  ])('of the preStop hook %j it knows %s', (container, expected) => {
    expect(workloadFindings([workload('Deployment', {}, container as never)], []).axes.preStop).toBe(
      expected,
    );
  });

  test('without any, and with several, is a doubt', () => {
    expect(workloadFindings([], []).doubts.join()).toMatch(/no Deployment, StatefulSet or Rollout/);
    const two = [workload('Deployment'), workload('StatefulSet', { replicas: 9 })];
    expect(workloadFindings(two, []).doubts.join()).toMatch(
      /StatefulSet gateway is predicted, of StatefulSet gateway, Deployment gateway/,
    );
  });
});

describe('of a namespace concerns a Service', () => {
  const service = (selector: Record<string, string>): V1Service => ({
    metadata: { name: 'gateway' },
    spec: { selector },
  });
  const interest = new OfInterest(service({ app: 'gateway', version: 'v1' }));
  const pod = (labels: Record<string, string>) => ({ kind: 'Pod', metadata: { labels } });

  test.each([
    ['its own pods', pod({ app: 'gateway', version: 'v1' }), true],
    ['those of the other side', pod({ app: 'gateway', version: 'v2' }), true],
    ['nobody else', pod({ app: 'shop' }), false],
    [
      'a workload by its pods',
      { kind: 'Deployment', spec: { template: { metadata: { labels: { app: 'gateway' } } } } },
      true,
    ],
    ['the Service itself', { kind: 'Service', metadata: { name: 'gateway' } }, true],
    ['no other one', { kind: 'Service', metadata: { name: 'shop' } }, false],
    [
      'its slices',
      { kind: 'EndpointSlice', metadata: { labels: { 'kubernetes.io/service-name': 'gateway' } } },
      true,
    ],
    ['all nodes', { kind: 'Node' }, true],
  ])('%s', (_, object, expected) => {
    expect(interest.concerns(object)).toBe(expected);
  });

  test('pods of a selector that it gets later as well', () => {
    interest.learn(service({ app: 'next' }));
    expect(interest.concerns(pod({ app: 'next' }))).toBe(true);
    expect(interest.concerns(pod({ app: 'gateway' }))).toBe(true);
  });
});

test.each<[V1Pod, string]>([
  [{ metadata: { labels: { version: 'v7' } } }, 'v7'],
  [{ metadata: { labels: { 'app.kubernetes.io/version': '2.4.0' } } }, '2.4.0'],
  [{ spec: { containers: [{ name: 'ws', image: 'registry.example:5000/team/gateway:2.5.0' }] } }, '2.5.0'],
  [{ spec: { containers: [{ name: 'ws', image: 'gateway@sha256:0123456789abcdef' }] } }, '0123456789ab'],
  [
    {
      metadata: { labels: { 'pod-template-hash': '5d9f' } },
      spec: { containers: [{ name: 'ws', image: 'localhost:5000/gateway' }] },
    },
    '5d9f',
  ],
  [{}, ''],
])('a pod says its version by its labels or its image: %j', (pod, expected) => {
  expect(versionOf(pod)).toBe(expected);
});
