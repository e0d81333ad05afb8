import { describe, expect, test } from 'vitest';
import type { CapacityDocument } from '../harness/analyses/capacity/capacity.ts';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { rollingUpdate } from './rolling-update.ts';
import { playOnSim } from './test-play.ts';

const played = async (texts: AxisTexts, strategy = rollingUpdate, seed = 1) => {
  const result = await playOnSim(strategy, { heartbeat: '10s', recoverWithin: '5m', ...texts }, seed);
  return { ...result, capacity: result.document.capacity as CapacityDocument };
};

/** Everybody loses the only pod, and comes again in step: P13 of the public cases (zed, SignalR). */
const HERD: AxisTexts = { pods: '1', clients: '500', backoffModel: 'fixed', backoff: '5s', podCpu: '1' };

test('without limits the verdict says that the door was assumed to hold, and nothing of a door is told', async () => {
  const { document, criteria, events } = await played({ pods: '1', clients: '50', backoff: '5s' });
  expect(document.capacity).toBeNull();
  expect(document.assumes.join()).toContain('no capacity was given');
  expect(criteria.map(({ name }) => name)).not.toContain('holds');
  expect(events.filter(({ type }) => type === 'load')).toEqual([]);
});

test('a herd that the door can bear is back after what it costs, and the door holds', async () => {
  const { document, capacity } = await played({ ...HERD, handshakeCpu: '10ms' });
  // That the door holds is shown.
  expect(document.assumes).toEqual([expect.stringContaining('--pod-start')]);
  expect(capacity).toMatchObject({ outcome: 'holds', timedOutAttempts: 0, staleAttempts: 0, podsFallen: 0 });
  expect(capacity.servedAttempts).toBe(500);
  // 500 handshakes of 10.35 ms, after a back-off of 5 s.
  expect(document.timeAway?.max).toBeGreaterThanOrEqual(5000 + 500 * 10.35);
  expect(document.unattributed).toBe(0);
});

test('a herd that it cannot bear kills it again and again: the service collapses, with a cause for every loss', async () => {
  const { document, capacity, criteria } = await played({ ...HERD, handshakeCpu: '100ms' });
  expect(capacity).toMatchObject({ outcome: 'collapses', itselfAgainMillis: null, podsFallen: 1 });
  expect(capacity.staleAttempts).toBeGreaterThan(capacity.servedAttempts / 4);
  expect(capacity.fallen.restarted).toBeGreaterThan(1);
  expect(document.unattributed).toBe(0);
  expect(document.verdict).toBe('fail');
  const failed = criteria.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name);
  expect(failed).toEqual(expect.arrayContaining(['holds', 'does not collapse']));
});

test.each([
  // A bucket holds a second's worth, and the herd comes in step: 8 are let in every 5 s, and some whose SYN came later.
  ['an admission limit', { admission: '8', recoverWithin: '10m' }],
  ['waits that are spread', { backoffModel: 'uniform', backoff: '2m' }],
  ['twelve processors', { podCpu: '12' }],
] as const)('the same herd is borne with %s', async (_cure, texts) => {
  const { document, capacity } = await played({ ...HERD, handshakeCpu: '100ms', ...texts });
  expect(capacity).toMatchObject({ outcome: 'holds', podsFallen: 0 });
  expect(document.stillAway).toBe(0);
});

/** Nothing is released: one pod of several goes for good. */
const onePodLess: Strategy = {
  ...rollingUpdate,
  name: 'one-pod-less',
  kind: 'experiment',
  async release(stage) {
    const pods = await stage.pods('v1');
    await stage.step(
      'one pod goes',
      () => stage.kube.patch('Deployment', 'gateway', { spec: { replicas: pods.length - 1 } }),
      { fault: true },
    );
  },
};

test('memory for fewer connections than come kills the pod under their return, again and again', async () => {
  // 84 MiB are the process and 170 connections of 12 KiB.
  const texts = { pods: '2', clients: '300', podCpu: '1', podMemory: '84Mi', backoff: '30s' };
  const { document, capacity } = await played(texts, onePodLess);
  expect(capacity.outcome).toBe('collapses');
  expect(capacity.fallen['out of memory']).toBeGreaterThan(2);
  expect(document.unattributed).toBe(0);
});

describe.each([3, 4])('of %d pods, one goes', (pods) => {
  const clients = 500 * pods;
  /** The work of pings alone, as a share of what a pod can do. */
  const load = (share: number): AxisTexts => ({
    pods: String(pods),
    clients: String(clients),
    backoff: '30s',
    podCpu: '1',
    // 500 clients ping each pod 50 times a second; 0.17 ms of each are the gateway's own.
    messageCpu: `${(share * 1000) / 50 - 0.17}ms`,
  });

  test('all others fall where they were busier than they could be without it', async () => {
    const { capacity, document } = await played(load((1.12 * (pods - 1)) / pods), onePodLess);
    expect(capacity.outcome).toBe('collapses');
    expect(capacity.podsFallen).toBeGreaterThanOrEqual(pods - 1);
    expect(document.unattributed).toBe(0);
  });

  test('and none where they were not', async () => {
    const { capacity } = await played(load((0.85 * (pods - 1)) / pods), onePodLess);
    expect(capacity).toMatchObject({ outcome: 'holds', podsFallen: 0 });
  });
});
