import type { V1Deployment, V1Service, V1StatefulSet } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import type { RolloutSeen } from '../../../harness/contracts/cluster.ts';
import type { ArgoRollout } from '../../../harness/contracts/kube.ts';
import { RolloutFold, standingOf } from './rollout.ts';

const template = (image: string) => ({ metadata: {}, spec: { containers: [{ name: 'ws', image }] } });

/** A Deployment of three pods of this image, so many of them updated and so many available. */
const deployment = (
  image: string,
  updated = 3,
  available = 3,
  more: V1Deployment['status'] = {},
): V1Deployment => ({
  metadata: { name: 'gateway', generation: 2 },
  spec: { replicas: 3, selector: {}, template: template(image) },
  status: {
    observedGeneration: 2,
    replicas: Math.max(3, available),
    updatedReplicas: updated,
    availableReplicas: available,
    ...more,
  },
});
const lagging = (image: string) => deployment(image, 3, 3, { observedGeneration: 1 });
const statefulSet = (spec: object, status: object): V1StatefulSet => ({
  metadata: { name: 'gateway', generation: 1 },
  spec: { replicas: 3, selector: {}, serviceName: 'x', template: template('a'), ...spec },
  status: { replicas: 3, observedGeneration: 1, ...status },
});
const argo = (phase: string, message?: string): ArgoRollout => ({
  metadata: { name: 'gateway', generation: 4 },
  status: {
    phase,
    observedGeneration: '4',
    currentPodHash: 'x',
    ...(message === undefined ? {} : { message }),
  },
});

describe('a rollout is complete', () => {
  test.each([
    ['when all pods are new and available', standingOf('Deployment', deployment('a')), true],
    ['not while old pods are left', standingOf('Deployment', deployment('a', 3, 4)), false],
    ['not while new ones are not available', standingOf('Deployment', deployment('a', 3, 2)), false],
    ['not while the controller has not seen the change', standingOf('Deployment', lagging('a')), false],
    [
      'of a StatefulSet when it has one revision',
      standingOf(
        'StatefulSet',
        statefulSet({}, { readyReplicas: 3, updatedReplicas: 3, currentRevision: 'b', updateRevision: 'b' }),
      ),
      true,
    ],
    [
      'not while it has two',
      standingOf(
        'StatefulSet',
        statefulSet({}, { readyReplicas: 3, updatedReplicas: 1, currentRevision: 'a', updateRevision: 'b' }),
      ),
      false,
    ],
    [
      'when those above its partition are new',
      standingOf(
        'StatefulSet',
        statefulSet(
          { updateStrategy: { rollingUpdate: { partition: 2 } } },
          { readyReplicas: 3, updatedReplicas: 1, currentRevision: 'a', updateRevision: 'b' },
        ),
      ),
      true,
    ],
    ['when Argo says so', standingOf('Rollout', argo('Healthy')), true],
    ['not while Argo waits at a step', standingOf('Rollout', argo('Paused')), false],
  ])('%s', (_, { complete }, expected) => {
    expect(complete).toBe(expected);
  });

  test('or has failed, in the words of its controller', () => {
    const conditions = [
      { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'has timed out' },
    ];
    expect(standingOf('Deployment', deployment('a', 1, 3, { conditions })).failed).toBe('has timed out');
    expect(standingOf('Rollout', argo('Degraded', 'aborted')).failed).toBe('aborted');
  });
});

describe('what is seen of a release', () => {
  const begin = (what: 'template' | 'undo', object = 'Deployment gateway'): RolloutSeen => ({
    edge: 'begin',
    object,
    what,
  });
  const end = (object = 'Deployment gateway'): RolloutSeen => ({ edge: 'end', object });

  function looked(...first: V1Deployment[]) {
    const fold = new RolloutFold();
    for (const one of first) expect(fold.workload('Deployment', one)).toEqual([]);
    fold.begun();
    return fold;
  }

  test('begins with a new template and ends once all of it runs and nothing of it ends any more', () => {
    const fold = looked(deployment('a'));
    expect(fold.workload('Deployment', deployment('b', 0, 3))).toEqual([begin('template')]);
    expect(fold.workload('Deployment', deployment('b', 1, 3))).toEqual([]);
    expect(fold.settled(1)).toEqual([]);
    expect(fold.workload('Deployment', deployment('b'))).toEqual([]);
    expect(fold.settled(1)).toEqual([]);
    expect(fold.settled(0)).toEqual([end()]);
    expect(fold.settled(0)).toEqual([]);
  });

  test('is undone when the template of before comes back in the middle, and a release of its own afterwards', () => {
    const fold = looked(deployment('a'));
    fold.workload('Deployment', deployment('b', 1, 3));
    const back = deployment('a', 2, 3);
    const { metadata, spec } = back.spec?.template ?? {};
    const reordered = {
      ...back,
      spec: { ...back.spec, template: { spec, metadata: { ...metadata, creationTimestamp: null } } },
    };
    expect(fold.workload('Deployment', reordered as never)).toEqual([begin('undo')]);
    fold.workload('Deployment', deployment('a'));
    expect(fold.settled(0)).toEqual([end()]);
    expect(fold.workload('Deployment', deployment('b', 1, 3))).toEqual([begin('template')]);
  });

  test('fails when its controller says so, or a pod of it cannot start', () => {
    const fold = looked(deployment('a'));
    fold.workload('Deployment', deployment('b', 0, 3));
    expect(fold.settled(0, 'ImagePullBackOff')).toEqual([{ ...end(), failed: 'ImagePullBackOff' }]);
    fold.workload('Deployment', deployment('c', 0, 3));
    const conditions = [
      { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'late' },
    ];
    expect(fold.workload('Deployment', deployment('c', 0, 3, { conditions }))).toEqual([
      { ...end(), failed: 'late' },
    ]);
  });

  test('is nothing where only the number of replicas changes', () => {
    const fold = looked(deployment('a'));
    const scaled = deployment('a', 2, 3);
    expect(fold.workload('Deployment', scaled)).toEqual([]);
    expect(fold.settled(0)).toEqual([]);
  });

  test('is a workload that was not there before, and over when it goes again', () => {
    const fold = looked(deployment('a'));
    const green = { ...deployment('b', 0, 0), metadata: { name: 'green' } };
    expect(fold.workload('Deployment', green)).toEqual([begin('template', 'Deployment green')]);
    expect(fold.gone('Deployment', green)).toEqual([end('Deployment green')]);
    expect(fold.gone('Deployment', deployment('a'))).toEqual([]);
  });

  test('is a Service that selects other pods, or changes its policy', () => {
    const fold = looked();
    const service = (selector: Record<string, string>, policy = 'Cluster'): V1Service => ({
      metadata: { name: 'gateway' },
      spec: { selector, externalTrafficPolicy: policy },
    });
    expect(fold.service(service({ version: 'v1' }))).toEqual([]);
    expect(fold.service(service({ version: 'v1' }))).toEqual([]);
    expect(fold.service(service({ version: 'v2' }))[0]).toMatchObject({
      object: 'Service gateway',
      what: 'selector',
    });
    expect(fold.service(service({ version: 'v2' }, 'Local'))[0]).toMatchObject({ what: 'policy' });
  });
});
