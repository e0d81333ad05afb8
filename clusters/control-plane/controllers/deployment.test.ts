import type { V1Deployment, V1Pod, V1PodTemplateSpec, V1ReplicaSet } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { withDefaults } from '../store/defaults.ts';
import { nameOf, ownedBy } from '../store/objects.ts';
import { type DeploymentChanges, syncDeployment } from './deployment.ts';
import { deploymentCondition } from './deployment-status.ts';
import { replicasOf } from './fenceposts.ts';
import { REVISION, ROLLBACK_TO } from './new-replica-set.ts';

const template = (version: string): V1PodTemplateSpec => ({
  metadata: { labels: { app: 'foo', version } },
  spec: { containers: [{ name: 'foo', image: 'foo' }] },
});

interface Shape {
  replicas: number;
  surge?: number | string;
  unavailable?: number | string;
  version?: string;
  type?: string;
  spec?: Partial<V1Deployment['spec']>;
  status?: V1Deployment['status'];
}

const deployment = ({ replicas, surge = 0, unavailable = 0, version = 'new', type, spec, status }: Shape) =>
  withDefaults<V1Deployment>({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'foo', uid: 'foo-uid', generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'foo' } },
      template: template(version),
      strategy: type
        ? { type }
        : { type: 'RollingUpdate', rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
      ...spec,
    } as NonNullable<V1Deployment['spec']>,
    ...(status ? { status } : {}),
  });

let hour = 0;
/** A ReplicaSet of `version`; each is created an hour after the one before. `desired` is what its Deployment last wanted. */
function set(
  version: string,
  replicas: number,
  options: { available?: number; desired?: number; most?: number } = {},
): V1ReplicaSet {
  const { available = replicas, desired, most } = options;
  const { spec } = deployment({ replicas: 1, version });
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `foo-${version}`,
      uid: `uid-${version}`,
      creationTimestamp: new Date(++hour * 3_600_000),
      generation: 1,
      ownerReferences: [ownedBy(deployment({ replicas: 1 }))],
      annotations: {
        [REVISION]: String(hour),
        ...(desired === undefined ? {} : { 'deployment.kubernetes.io/desired-replicas': String(desired) }),
        ...(most === undefined ? {} : { 'deployment.kubernetes.io/max-replicas': String(most) }),
      },
    },
    spec: { replicas, selector: {}, template: spec?.template as V1PodTemplateSpec },
    status: { replicas, availableReplicas: available, readyReplicas: available, observedGeneration: 1 },
  };
}

/** Sizes by ReplicaSet after the changes. */
function sizes(sets: readonly V1ReplicaSet[], changes: DeploymentChanges): Record<string, number> {
  const after = new Map(sets.map((one) => [nameOf(one), replicasOf(one)]));
  for (const one of [...changes.created, ...changes.updated]) after.set(nameOf(one), replicasOf(one));
  for (const name of changes.removed) after.delete(name);
  return Object.fromEntries([...after].map(([name, size]) => [name.replace('foo-', ''), size]));
}

const progressing = ({ deployment: changed }: DeploymentChanges) =>
  deploymentCondition(changed.status, 'Progressing');

describe('the numbers of upstream rolling_test.go', () => {
  it.each([
    [0, 10, 0, 0],
    [2, 10, 0, 2],
    [2, 5, 0, 7],
    [2, 10, 2, 2],
    [2, 2, 11, 10],
  ])('10 wanted, surge %i, %i old and %i new: the new ReplicaSet gets %i', (surge, old, fresh, expected) => {
    const sets = [set('old', old), set('new', fresh)];
    const changes = syncDeployment(deployment({ replicas: 10, surge }), sets, [], 0);
    expect(sizes(sets, changes).new).toBe(expected);
  });

  it.each([
    [0, 10, 0, 10, 9],
    [2, 10, 0, 10, 8],
    [2, 10, 0, 8, 8],
    [2, 10, 0, 9, 8],
    [2, 8, 2, 8, 8],
  ])(
    '10 wanted, %i may be unavailable, %i old and %i not ready new, %i old ready: the old keeps %i',
    (unavailable, old, fresh, ready, expected) => {
      const sets = [set('old', old, { available: ready }), set('new', fresh, { available: 0 })];
      const changes = syncDeployment(deployment({ replicas: 10, unavailable }), sets, [], 0);
      expect(sizes(sets, changes).old).toBe(expected);
    },
  );
});

describe('the numbers of upstream sync_test.go, TestScale', () => {
  // [deployment before, after, [new, older, oldest] before, the same after]; versions sort by age.
  it.each<[number, number, number[], number[]]>([
    [10, 12, [10], [12]],
    [10, 5, [10], [5]],
    [5, 10, [2, 3], [4, 6]],
    [5, 3, [2, 3], [1, 2]],
    [9, 4, [8, 1], [4, 0]],
    [7, 10, [2, 3, 2], [3, 4, 3]],
    [13, 8, [2, 8, 3], [1, 5, 2]],
    [3, 4, [1, 1, 1], [2, 1, 1]],
    [3, 2, [1, 1, 1], [1, 1, 0]],
    [6, 0, [3, 2, 1], [0, 0, 0]],
  ])('%i -> %i: %j becomes %j', (before, after, sizesBefore, expected) => {
    const versions = ['new', 'older', 'oldest'];
    const sets = sizesBefore
      .map((size, index) => [versions[index] as string, size] as const)
      .toReversed()
      .map(([version, size]) => set(version, size, { desired: before, most: before }));
    const changes = syncDeployment(deployment({ replicas: after }), sets, [], 0);
    const found = sizes(sets, changes);
    expect(sizesBefore.map((_size, index) => found[versions[index] as string])).toEqual(expected);
  });

  it('without a set of the new template, the latest of equal ones grows first', () => {
    const sets = [set('oldest', 2, { desired: 4, most: 4 }), set('older', 2, { desired: 4, most: 4 })];
    const changes = syncDeployment(deployment({ replicas: 5 }), sets, [], 0);
    expect(sizes(sets, changes)).toEqual({ oldest: 2, older: 3 });
  });

  it('a change of size comes before a change of template', () => {
    const sets = [set('oldest', 3, { desired: 10, most: 10 }), set('older', 7, { desired: 10, most: 10 })];
    const changes = syncDeployment(deployment({ replicas: 14 }), sets, [], 0);
    expect(sizes(sets, changes)).toEqual({ oldest: 4, older: 10 });
  });

  it('surge pods are scaled along', () => {
    const old = [set('old', 6, { desired: 10, most: 12 }), set('new', 6, { desired: 10, most: 12 })];
    expect(sizes(old, syncDeployment(deployment({ replicas: 20, surge: 2 }), old, [], 0))).toEqual({
      old: 11,
      new: 11,
    });
    const both = [set('old', 8, { desired: 10, most: 13 }), set('new', 5, { desired: 10, most: 13 })];
    expect(sizes(both, syncDeployment(deployment({ replicas: 50, surge: 6 }), both, [], 0))).toEqual({
      old: 34,
      new: 22,
    });
  });

  it('a set whose update failed last time catches up', () => {
    const sets = [
      set('oldest', 1, { desired: 5, most: 5 }),
      set('older', 1, { desired: 3, most: 3 }),
      set('new', 2, { desired: 5, most: 5 }),
    ];
    const changes = syncDeployment(deployment({ replicas: 5 }), sets, [], 0);
    expect(sizes(sets, changes)).toEqual({ oldest: 1, older: 2, new: 2 });
  });
});

describe('a rollout', () => {
  it('creates the ReplicaSet of a new template under a hash, as the next revision, owned by the Deployment', () => {
    const old = set('old', 3, { desired: 3, most: 4 });
    const status = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
    const changes = syncDeployment(deployment({ replicas: 3, surge: 1, status }), [old], [], 0);
    const [created] = changes.created;
    const hash = created?.metadata?.labels?.['pod-template-hash'];
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]+$/);
    expect(created?.metadata).toMatchObject({ name: `foo-${hash}`, ownerReferences: [{ uid: 'foo-uid' }] });
    expect(created?.spec).toMatchObject({
      replicas: 1,
      selector: { matchLabels: { app: 'foo', 'pod-template-hash': hash } },
      template: { metadata: { labels: { version: 'new', 'pod-template-hash': hash } } },
    });
    const revision = Number(created?.metadata?.annotations?.[REVISION]);
    expect(revision).toBe(Number(old.metadata?.annotations?.[REVISION]) + 1);
    expect(changes.deployment.metadata?.annotations?.[REVISION]).toBe(String(revision));
    expect(progressing(changes)?.reason).toBe('NewReplicaSetCreated');
  });

  it('Recreate first takes all old pods down and waits until the last of them is gone', () => {
    const old = set('old', 2);
    const recreate = deployment({ replicas: 2, type: 'Recreate' });
    const first = syncDeployment(recreate, [old], [], 0);
    expect(sizes([old], first)).toEqual({ old: 0 });
    expect(first.created).toEqual([]);
    const empty = set('old', 0);
    const terminating: V1Pod = {
      metadata: { name: 'pod', ownerReferences: [ownedBy(empty)], deletionTimestamp: new Date(0) },
      status: { phase: 'Running' },
    };
    expect(syncDeployment(recreate, [empty], [terminating], 0).created).toEqual([]);
    expect(syncDeployment(recreate, [empty], [], 0).created[0]?.spec?.replicas).toBe(2);
  });

  it('starts nothing while paused, but follows the size', () => {
    const sets = [set('old', 2, { desired: 2, most: 2 })];
    const changes = syncDeployment(deployment({ replicas: 3, spec: { paused: true } }), sets, [], 0);
    expect(changes.created).toEqual([]);
    expect(sizes(sets, changes)).toEqual({ old: 3 });
    expect(progressing(changes)).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
  });

  it('goes back to the revision before when asked to roll back, and takes the request away', () => {
    const sets = [set('old', 0), set('new', 2)];
    const asked = deployment({ replicas: 2 });
    const changes = syncDeployment(
      { ...asked, metadata: { ...asked.metadata, annotations: { [ROLLBACK_TO]: '0' } } },
      sets,
      [],
      0,
    );
    expect(changes.deployment.spec?.template.metadata?.labels).toEqual({ app: 'foo', version: 'old' });
    expect(changes.deployment.metadata?.annotations).toEqual({});
  });

  it('reports a finished rollout as available, and one that makes no progress in time as timed out', () => {
    const fresh = set('new', 2);
    const done = syncDeployment(deployment({ replicas: 2 }), [fresh], [], 0);
    expect(progressing(done)).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
    expect(done.deployment.status).toMatchObject({
      updatedReplicas: 2,
      availableReplicas: 2,
      observedGeneration: 1,
    });

    const stuck = set('new', 2, { available: 0 });
    const first = syncDeployment(deployment({ replicas: 2 }), [stuck], [], 0);
    expect(progressing(first)?.status).toBe('True');
    expect(first.requeueAfter).toBe(601_000);
    const { status } = first.deployment;
    const late = syncDeployment(
      deployment({ replicas: 2, ...(status ? { status } : {}) }),
      [stuck],
      [],
      601_000,
    );
    expect(progressing(late)).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
  });

  it('keeps as many empty old ReplicaSets as revisionHistoryLimit says', () => {
    const sets = [set('a', 0), set('b', 0), set('c', 0), set('new', 2)];
    const status = { replicas: 2, updatedReplicas: 2, availableReplicas: 2, observedGeneration: 1 };
    const changes = syncDeployment(
      deployment({ replicas: 2, spec: { revisionHistoryLimit: 1 }, status }),
      sets,
      [],
      0,
    );
    expect(changes.removed).toEqual(['foo-a', 'foo-b']);
  });

  it('changes nothing once it has settled', () => {
    const sets = [set('new', 2, { desired: 2, most: 2 })];
    const first = syncDeployment(deployment({ replicas: 2 }), sets, [], 0);
    const settled = first.updated.length > 0 ? first.updated : sets;
    const second = syncDeployment(first.deployment, settled, [], 5000);
    expect(second).toMatchObject({ created: [], updated: [], removed: [] });
    expect(second.deployment).toBe(first.deployment);
  });
});
