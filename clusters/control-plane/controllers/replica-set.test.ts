import type { V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { compareVictims, syncReplicaSet, victims } from './replica-set.ts';

const HOUR = 3_600_000;
const NOW = 1000 * HOUR;

interface Shape {
  node?: string;
  phase?: string;
  ready?: boolean;
  restarts?: number;
  since?: number | undefined;
  created?: number | undefined;
  cost?: number;
  deleting?: boolean;
}

function pod(name: string, shape: Shape = {}): V1Pod {
  const { node = 'node', phase = 'Running', ready = true, restarts = 0, cost, deleting } = shape;
  const since = 'since' in shape ? shape.since : NOW;
  const created = 'created' in shape ? shape.created : NOW;
  return {
    metadata: {
      name,
      uid: name,
      ...(created === undefined ? {} : { creationTimestamp: new Date(created) }),
      ...(cost === undefined
        ? {}
        : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': String(cost) } }),
      ...(deleting ? { deletionTimestamp: new Date(NOW) } : {}),
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          ...(since === undefined ? {} : { lastTransitionTime: new Date(since) }),
        },
      ],
      containerStatuses: [{ name: 'c', image: '', imageID: '', ready, restartCount: restarts }],
    },
  };
}

// Upstream's controller_utils_test.go, TestSortingActivePodsWithRanks.
const MONTH_AGO = NOW - 720 * HOUR;
const none = { since: undefined, created: undefined };
const unscheduled = pod('unscheduled', { node: '', phase: 'Pending', ready: false, ...none });
const pending = pod('pending', { phase: 'Pending', ready: false, ...none });
const unknown = pod('unknown', { phase: 'Unknown', ready: false, ...none });
const notReady = pod('not-ready', { ready: false, ...none });
const noTime = pod('ready-no-time', none);
const now = pod('ready-now');
const then = pod('ready-then', { since: MONTH_AGO, created: MONTH_AGO });
const restarted = pod('ready-restarted', { restarts: 9001 });
const createdThen = pod('ready-now-created-then', { created: MONTH_AGO });
const cheap = pod('cheap', { created: MONTH_AGO, cost: 10 });
const dear = pod('dear', { created: MONTH_AGO, cost: 100 });
const ready = (hours: number) =>
  pod(`ready-${hours}`, { node: '', since: NOW - hours * HOUR, created: MONTH_AGO });

describe('victims are ordered as upstream orders them', () => {
  it.each<[V1Pod, number, V1Pod, number]>([
    [unscheduled, 1, pending, 2],
    [unscheduled, 2, pending, 1],
    [pending, 1, unknown, 2],
    [unknown, 1, notReady, 2],
    [notReady, 1, noTime, 1],
    [noTime, 1, now, 1],
    [now, 2, noTime, 1],
    [now, 1, then, 1],
    [now, 2, then, 1],
    [restarted, 1, now, 1],
    [now, 2, restarted, 1],
    [now, 1, createdThen, 1],
    [createdThen, 2, now, 1],
    [cheap, 2, dear, 1],
    [ready(2), 1, ready(5), 1],
  ])('case %#', (first, firstRank, second, secondRank) => {
    const rank = (one: V1Pod) => (one === first ? firstRank : secondRank);
    expect(compareVictims(first, second, rank, NOW)).toBeLessThan(0);
    expect(compareVictims(second, first, rank, NOW)).toBeGreaterThan(0);
  });

  it('ages of one magnitude do not tell pods apart', () => {
    const [five, eight] = [ready(5), ready(8)];
    const order = (a: string, b: string) =>
      compareVictims(
        { ...five, metadata: { ...five.metadata, uid: a } },
        { ...eight, metadata: { ...eight.metadata, uid: b } },
        () => 1,
        NOW,
      );
    expect(order('a', 'b')).toBeLessThan(0);
    expect(order('b', 'a')).toBeGreaterThan(0);
  });
});

it('a pod that fails readiness on purpose is the first to go, although it is the oldest', () => {
  const pods = [pod('a'), pod('b', { ready: false, since: MONTH_AGO, created: MONTH_AGO }), pod('c')];
  expect(victims(pods, 1, pods, NOW).map(({ metadata }) => metadata?.name)).toEqual(['b']);
});

it('the node that holds most related pods loses one first', () => {
  const pods = [pod('a', { node: 'one' }), pod('b', { node: 'two' })];
  const related = [...pods, pod('other', { node: 'two' }), pod('leaving', { node: 'one', deleting: true })];
  expect(victims(pods, 1, related, NOW).map(({ metadata }) => metadata?.name)).toEqual(['b']);
});

const set = (replicas: number, minReadySeconds = 0): V1ReplicaSet => ({
  metadata: { name: 'set', uid: 'set', generation: 3 },
  spec: { replicas, minReadySeconds, selector: {}, template: { metadata: { labels: { app: 'x' } } } },
});

it('makes up for pods that are missing, deleting or failed', () => {
  const pods = [pod('a'), pod('b', { deleting: true }), pod('c', { phase: 'Failed' })];
  const changes = syncReplicaSet(set(3), pods, pods, NOW);
  expect(changes.created).toHaveLength(2);
  expect(changes.created[0]?.metadata).toMatchObject({ generateName: 'set-', labels: { app: 'x' } });
  expect(changes.status).toMatchObject({ replicas: 1, readyReplicas: 1, observedGeneration: 3 });
});

it('counts a pod as available only after minReadySeconds, and looks again then', () => {
  const pods = [pod('a', { since: NOW - 4000 }), pod('b', { since: NOW - 20_000 })];
  const changes = syncReplicaSet(set(2, 10), pods, pods, NOW);
  expect(changes.status).toMatchObject({ readyReplicas: 2, availableReplicas: 1 });
  expect(changes.requeueAfter).toBe(6000);
});
