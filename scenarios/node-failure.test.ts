import { expect, test } from 'vitest';
import { nodeFailure } from './node-failure.ts';
import { playOnSim } from './test-play.ts';

const failed = (texts = {}) =>
  playOnSim(nodeFailure, { nodes: '3', pods: '3', clients: '600', backoff: '10s', ...texts });
type Played = Awaited<ReturnType<typeof failed>>;

const off = ({ events }: Played) => events.find((event) => event.type === 'node' && event.change === 'off');

test('a node without power says nothing: its clients hang until their heartbeat, and notice within two', async () => {
  const played = await failed();
  const rows = played.ledger.rows.filter(({ cause, nth }) => cause === 'node-off' && nth === 1);
  const { at = 0, node } = off(played) as { at: number; node: string };
  const own = rows.filter(({ nodeBefore }) => nodeBefore === node);
  // One pod of three.
  expect(own.length / played.document.clients).toBeGreaterThan(0.27);
  expect(own.length / played.document.clients).toBeLessThan(0.4);
  for (const { showed, lost, detected } of own) {
    // Who came through it as well is hashed to a node that does not know him, once the balancer has found out.
    expect(['silence', 'reset']).toContain(showed);
    expect(lost).toBeLessThanOrEqual(at);
    expect(detected).toBeGreaterThan(at);
    expect(detected).toBeLessThanOrEqual(at + 60_000);
  }
  expect(played.document.unattributed).toBe(0);
});

test('with Cluster a third of the others came through it; with Local nobody is lost on a node that did not fail', async () => {
  const elsewhere = ({ ledger, events }: Played) => {
    const node = off({ events } as Played);
    return ledger.rows.filter(
      ({ nth, nodeBefore }) => nth === 1 && node?.type === 'node' && nodeBefore !== node.node,
    );
  };
  const cluster = await failed();
  const others = 600 - cluster.ledger.rows.filter(({ nth }) => nth === 1).length + elsewhere(cluster).length;
  expect(elsewhere(cluster).length / others).toBeGreaterThan(0.26);
  expect(elsewhere(cluster).length / others).toBeLessThan(0.41);
  expect(elsewhere(await failed({ policy: 'Local' }))).toEqual([]);
});

test.each([
  ['1.37', 50_000],
  ['1.31', 40_000],
])(
  'Kubernetes %s takes the pod out of its endpoints after %i ms and replaces it 300 s later',
  async (kubernetes, grace) => {
    const played = await failed({ kubernetes, clients: '30' });
    const at = off(played)?.at ?? 0;
    const lost = played.history.endpoints.find((event) => event.at > at)?.at ?? 0;
    expect(lost - at).toBeGreaterThanOrEqual(grace);
    expect(lost - at).toBeLessThan(grace + 5100);
    const made = played.events.find(
      (event) => event.type === 'pod' && event.phase === 'pending' && event.at > at,
    );
    expect((made?.at ?? 0) - lost).toBeGreaterThan(299_000);
    expect((made?.at ?? 0) - lost).toBeLessThan(301_000);
  },
);
