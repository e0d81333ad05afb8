import { expect, test } from 'vitest';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { handoff } from './handoff.ts';
import { playOnSim } from './test-play.ts';

const small = { clients: '200', pods: '2' } as const;

test.each(['holder', 'worker'])(
  'by %s every client is served by v2 in the end, and none was disconnected',
  async (handoffBy) => {
    const { document } = await playOnSim(handoff, { ...small, handoffBy });
    expect(document).toMatchObject({
      clients: 200,
      rehomed: 200,
      dropped: 0,
      landedOnOld: 0,
      verdict: 'pass',
    });
    expect(document.allOnV2Millis).not.toBeNull();
  },
);

test.each(['holder', 'worker'])('by %s a rollback disconnects nobody either', async (handoffBy) => {
  const { document, connections } = await playOnSim(handoff, { ...small, handoffBy, rollbackAfter: '2m' });
  expect(document).toMatchObject({ rehomed: 200, dropped: 0, landedOnOld: 0 });
  expect(connections.byVersion.v1?.values.at(-1)).toBe(200);
});

test('the holders open new upstreams evenly over the time they are given', async () => {
  const { events } = await playOnSim(handoff, { ...small, handoffBy: 'holder', drainOver: '2m' });
  const times = events.flatMap(({ type, at }) => (type === 'rehomed' ? [at] : []));
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  expect(last - first).toBeGreaterThan(115_000);
  expect(last - first).toBeLessThanOrEqual(120_000);
});

const cruel = (name: string, release: Strategy['release']): Strategy => ({ ...handoff, name, release });

test('gateways that die without a word are noticed, and their clients kept', async () => {
  const { document, events } = await playOnSim(
    cruel('killed', async (stage) => {
      for (const { metadata } of await stage.pods('v1'))
        await stage.kube.delete('Pod', metadata?.name ?? '', { gracePeriod: 0 });
      await stage.sleep(180_000);
    }),
    { ...small, handoffBy: 'holder', drain: 'abrupt' },
  );
  expect(document).toMatchObject({ dropped: 0, rehomed: 200 });
  expect(events.some((event) => event.type === 'hop' && event.did.includes('closed with 1006'))).toBe(true);
});

test('clients whose gateways are gone for long are closed by the holder, which says so', async () => {
  const { document, events } = await playOnSim(
    cruel('none left', async (stage) => {
      await stage.kube.patch('Deployment', 'gateway-v1', { spec: { replicas: 0 } });
      await stage.sleep(120_000);
      await stage.kube.patch('Deployment', 'gateway-v1', { spec: { replicas: 2 } });
    }),
    { ...small, handoffBy: 'holder', backoff: '30s' },
  );
  expect(document).toMatchObject({ dropped: 200, unattributed: 0, stillAway: 0 });
  expect(document.closed).toBe(200);
  expect(events.filter((event) => event.type === 'hop').map(({ did }) => did)).toContain(
    'closes connections with 1013: no gateway was found for them in time',
  );
});

test('the release of the holders themselves drops all clients: they are the ones not to release', async () => {
  const { document, ledger } = await playOnSim(
    cruel('holders go', async (stage) => {
      await stage.kube.patch('Deployment', 'holder', {
        spec: { template: { metadata: { annotations: { restarted: 'now' } } } },
      });
      await stage.rolledOut('holder');
      await stage.sleep(60_000);
    }),
    { ...small, handoffBy: 'holder', backoff: '30s' },
  );
  expect(document).toMatchObject({ dropped: 200, unattributed: 0, stillAway: 0 });
  expect(new Set(ledger.rows.map(({ cause }) => cause))).toEqual(new Set(['proxy-ended']));
});
