import { describe, expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import { NODE_REMOVAL_NAMES } from '../harness/platforms/node-removals.ts';
import { formatDuration, parseDuration } from '../harness/time/duration.ts';
import { nodeDrain } from './node-drain.ts';
import { playOnSim } from './test-play.ts';

type Played = Awaited<ReturnType<typeof playOnSim>>;

/** Gateways that would go on draining for longer than any grace period. */
const NEVER_DONE: AxisTexts = { drain: 'paced', drainOver: '2h', clients: '150', backoff: '10s', nodes: '2' };

const evictions = ({ events }: Played, outcome: string) =>
  events.flatMap((event) => (event.type === 'eviction' && event.outcome === outcome ? [event] : []));
const steps = ({ history }: Played) => history.steps.filter(({ phase }) => phase === 'release');
const causes = ({ ledger }: Played) => new Set(ledger.rows.map(({ cause }) => cause));
const begin = (played: Played, name: RegExp) => steps(played).find((step) => name.test(step.name))?.begin;
const goneAt = ({ events }: Played) =>
  events.find((event) => event.type === 'node' && event.change === 'removed')?.at;

/** From a pod's eviction to the last moment at which a client of it was seen connected. */
function heldFor(played: Played): number {
  const [first] = [...evictions(played, 'granted'), ...evictions(played, 'forced')];
  const of = played.ledger.rows.filter(({ podBefore }) => podBefore === first?.pod);
  return (
    Math.max(...of.map(({ showed, lost, detected }) => (showed === 'silence' ? lost : detected))) -
    (first?.at ?? 0)
  );
}

/** What each allows a pod that asks for 90 minutes: its eviction to the end of its last connection, and how that ended. */
const ALLOWED = {
  kubectl: ['90m', 'evicted'],
  'cluster-autoscaler': ['10m', 'grace-cut'],
  karpenter: ['90m', 'evicted'],
  'gke-upgrade': ['1h', 'grace-cut'],
  // The node stays after 15 minutes, and with it the pod until its own grace is over.
  eks: ['90m', 'evicted'],
  spot: ['15s', 'grace-cut'],
  'ec2-spot': ['2m', 'node-off'],
} as const satisfies Record<(typeof NODE_REMOVAL_NAMES)[number], readonly [string, string]>;

describe('a connection on a drained node lives for min(grace, cap) from the eviction of its pod', () => {
  test.each(Object.entries(ALLOWED))('%s', async (by, [allowed, cause]) => {
    const played = await playOnSim(nodeDrain, { ...NEVER_DONE, by, grace: '90m' });
    // A silent connection was last heard up to a heartbeat before.
    expect(heldFor(played)).toBeGreaterThan(parseDuration(allowed) - 30_000);
    expect(heldFor(played)).toBeLessThan(parseDuration(allowed) + 4000);
    expect(causes(played)).toContain(cause);
    expect(played.document.unattributed).toBe(0);
  });

  test.each(NODE_REMOVAL_NAMES)('%s cuts no grace that is shorter than all of that', async (by) => {
    const played = await playOnSim(nodeDrain, { ...NEVER_DONE, by, grace: '10s' });
    expect(heldFor(played)).toBeGreaterThanOrEqual(10_000);
    expect(heldFor(played)).toBeLessThan(12_500);
    expect(causes(played)).not.toContain('grace-cut');
  });
});

describe('a budget that allows nothing', () => {
  const forbidden = (by: string) =>
    playOnSim(nodeDrain, { by, budget: '0', clients: '20', nodes: '2', pods: '2' });

  test.each([
    ['cluster-autoscaler', '2m'],
    ['eks', '15m'],
    ['kubectl', '30m'],
    ['karpenter', '30m'],
  ])('saves the node from %s after %s, and nobody is dropped by the drain itself', async (by, limit) => {
    const played = await forbidden(by);
    expect(evictions(played, 'granted')).toEqual([]);
    expect(evictions(played, 'refused')).toHaveLength(1);
    const waited = (begin(played, /gives up/) ?? 0) - (begin(played, /drains/) ?? 0);
    expect(waited).toBeGreaterThanOrEqual(parseDuration(limit));
    expect(waited).toBeLessThan(parseDuration(limit) + 10_000);
    expect(goneAt(played)).toBeUndefined();
    expect(causes(played)).not.toContain('evicted');
  });

  test('holds a GKE upgrade up for an hour, and then its pods are forced out', async () => {
    const played = await forbidden('gke-upgrade');
    const [forced] = evictions(played, 'forced');
    expect((forced?.at ?? 0) - (begin(played, /drains/) ?? 0)).toBeGreaterThanOrEqual(3_600_000);
    expect(goneAt(played)).toBeGreaterThan(forced?.at ?? 0);
  });

  test.each([
    ['spot', 'forced', 15_000],
    ['ec2-spot', undefined, 120_000],
  ])('is nothing to %s', async (by, outcome, until) => {
    const played = await forbidden(by);
    expect(evictions(played, 'forced').length > 0).toBe(outcome === 'forced');
    expect((goneAt(played) ?? 0) - (begin(played, /drains/) ?? 0)).toBeGreaterThanOrEqual(until);
    expect((goneAt(played) ?? 0) - (begin(played, /drains/) ?? 0)).toBeLessThan(until + 5000);
  });
});

test('a budget of one makes the second pod of a node wait until the first is replaced', async () => {
  const played = await playOnSim(nodeDrain, {
    budget: '1',
    clients: '40',
    nodes: '2',
    pods: '4',
    drain: 'abrupt',
  });
  const [first, second] = evictions(played, 'granted');
  const made = played.events.find(
    (event) =>
      event.type === 'pod' && event.ready && event.at > (first?.at ?? 0) && event.phase === 'running',
  );
  expect(evictions(played, 'refused')).toHaveLength(1);
  expect(made?.at).toBeLessThan(second?.at ?? 0);
});

test.each([
  ['eks', 60_000],
  ['karpenter', 5000],
  ['kubectl', 0],
])('the machine goes %s: %i ms after the last pod', async (by, lingers) => {
  const played = await playOnSim(nodeDrain, { by, clients: '20', nodes: '2' });
  const last = played.events.findLast((event) => event.type === 'pod' && event.phase === 'gone')?.at ?? 0;
  const waited = (goneAt(played) ?? 0) - last;
  expect(waited).toBeGreaterThanOrEqual(lingers);
  expect(waited).toBeLessThanOrEqual(lingers + 1100);
});

describe('clients that only came through the node lose it', () => {
  const through = (by: string) =>
    playOnSim(nodeDrain, {
      by,
      nodes: '4',
      pods: '3',
      clients: '400',
      backoff: '10s',
      drain: 'abrupt',
      preStop: '2m',
      grace: '5m',
    });
  const passing = ({ ledger }: Played) => {
    const [node] = new Set(
      ledger.rows.filter(({ cause }) => cause === 'evicted').map((row) => row.nodeBefore),
    );
    return ledger.rows.filter(({ nodeBefore, nth }) => nodeBefore !== node && nth === 1);
  };

  test.each([
    // 3 s after the label; 16 to 24 s and a time-out after the taint, which fails its health check.
    ['karpenter', 'balancer-moved', /marked/, 3000],
    ['cluster-autoscaler', 'balancer-moved', /marked/, 16_000],
    ['kubectl', 'node-removed', /deleted/, 0],
  ] as const)('%s: %s', async (by, cause, since, least) => {
    const played = await through(by);
    const rows = passing(played);
    expect(rows.length).toBeGreaterThan(30);
    expect(rows.length / played.document.clients).toBeLessThan(1 / 4);
    expect(new Set(rows.map((row) => row.cause))).toEqual(new Set([cause]));
    const origin = begin(played, since) ?? 0;
    const first = Math.min(...rows.map(({ fate, detected }) => fate?.at ?? detected));
    expect(first, formatDuration(first - origin)).toBeGreaterThanOrEqual(origin + least);
    expect(first).toBeLessThan(origin + least + 12_000);
  });
});
