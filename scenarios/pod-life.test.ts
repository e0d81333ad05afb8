import { expect, test } from 'vitest';
import { wilsonInterval } from '../harness/statistics/statistics.ts';
import { rollingUpdate } from './rolling-update.ts';
import { playOnSim } from './test-play.ts';

/** Holds `share` within the interval of so many of all. */
function within(share: number, count: number, all: number): void {
  const [low, high] = wilsonInterval(count, all);
  expect(share).toBeGreaterThanOrEqual(low);
  expect(share).toBeLessThanOrEqual(high);
}

test('one pod after the other of three drops half of the clients twice, a twelfth three times, and leaves 5/8, 3/8, 0', async () => {
  const { document } = await playOnSim(rollingUpdate, {
    pods: '3',
    maxSurge: '0',
    maxUnavailable: '1',
    backoff: '10s',
    backoffModel: 'exponential-full-jitter',
  });
  const [, once = 0, twice = 0, thrice = 0, ...more] = document.disconnectsPerClient;
  expect(more).toEqual([]);
  expect(once + twice + thrice).toBe(2000);
  within(1 / 2, document.droppedTwice, 2000);
  within(1 / 12, thrice, 2000);
  expect(document.shape).toMatchObject({ pods: 3, empty: 1, mean: 2000 / 3 });
  within(5 / 8, document.shape?.most ?? 0, 2000);
});

test('the longer pods take to start, the fewer are lost at once and the more are dropped twice', async () => {
  const played = [];
  for (const podStart of ['1s', '5s-15s', '20s-40s'])
    played.push(
      (await playOnSim(rollingUpdate, { pods: '26', nodes: '13', backoff: '30s', podStart })).document,
    );
  const [first, ...later] = played as [(typeof played)[0], ...typeof played];
  let before = first;
  for (const next of later) {
    expect(next.lossIn10SecondsShare).toBeLessThan(before.lossIn10SecondsShare);
    expect(next.droppedTwice).toBeGreaterThan(before.droppedTwice);
    before = next;
  }
});

test('a gateway that never hears of SIGTERM keeps everybody until its grace is over, and nobody gets a close frame', async () => {
  const { document, events } = await playOnSim(rollingUpdate, { pods: '1', drain: 'ignore', grace: '40s' });
  expect(document).toMatchObject({ dropped: 2000, closed: 0, fin: 2000, unattributed: 0 });
  const sigterm = events.find((event) => event.type === 'gateway' && event.did === 'sigterm');
  const lost = events.filter((event) => event.type === 'closed' && event.client.startsWith('c'));
  expect(new Set(lost.map(({ at }) => Math.round((at - (sigterm?.at ?? 0)) / 1000)))).toEqual(new Set([40]));
});

test('minReadySeconds holds the drains of a rollout apart', async () => {
  const { events } = await playOnSim(rollingUpdate, {
    pods: '4',
    maxSurge: '1',
    maxUnavailable: '0',
    drain: 'paced',
    drainOver: '10m',
    grace: '660s',
    backoff: '10s',
    minReady: '30s',
  });
  const drains = events.flatMap((event) =>
    event.type === 'gateway' && event.did === 'drain' ? [event.at] : [],
  );
  expect(drains).toHaveLength(4);
  for (const [index, at] of drains.entries())
    if (index > 0) expect(at - (drains[index - 1] as number)).toBeGreaterThanOrEqual(30_000);
});

test('readiness is asked at the pace that is given', async () => {
  const readyAfter = async (probePeriod: string) => {
    const { events } = await playOnSim(rollingUpdate, {
      pods: '1',
      probePeriod,
      podStart: '2s',
      kubernetes: '1.20',
    });
    const v2 = events.flatMap((event) => (event.type === 'pod' && event.version === 'v2' ? [event] : []));
    return (v2.find(({ ready }) => ready)?.at ?? 0) - (v2[0]?.at ?? 0);
  };
  // Up to 1.20 the first answer counts at a random part of the period.
  expect(await readyAfter('1s')).toBeLessThan(5000);
  expect(await readyAfter('5m')).toBeGreaterThan(5000);
});
