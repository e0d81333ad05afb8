import { describe, expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Timed } from '../harness/contracts/event.ts';
import type { Stage } from '../harness/contracts/scenario.ts';
import { hpa } from './hpa.ts';
import { playOnSim } from './test-play.ts';

const PODS = 4;
const STABILIZATION = 300_000;
const SYNC = 15_000;

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;

async function played(texts: AxisTexts, strategy = hpa) {
  const { events, document, ledger } = await playOnSim(strategy, {
    clients: '600',
    pods: String(PODS),
    ...texts,
  });
  const of = <Type extends Timed['type']>(type: Type) =>
    events.filter((event): event is Of<Type> => event.type === type);
  const begin = (name: string) => of('step').find((step) => step.name === name)?.at as number;
  const decisions = of('autoscaler');
  const changes = decisions.filter(({ current, desired }) => current !== desired);
  /** Pods that began to end, in order. */
  const ended = of('gateway').filter(({ did }) => did === 'sigterm');
  const byAutoscaler = ledger.rows.filter(({ chain }) =>
    ledger.chains[chain]?.moments.some(({ kind }) => kind === 'autoscaler'),
  );
  return { document, ledger, of, begin, decisions, changes, ended, byAutoscaler };
}

describe.each(['readiness-fail', 'rolling-update', 'selector-flip', 'storm'])('during %s', (hpaDuring) => {
  test.each(['cpu', 'connections-value', 'connections-average'])(
    'every lost connection is explained, and it was at rest before, by %s',
    async (hpaMetric) => {
      const { document, changes, of } = await played({ hpaDuring, hpaMetric });
      const [first] = of('step').filter(({ phase, edge }) => phase === 'release' && edge === 'end');
      expect(changes.every(({ at }) => at > (first?.at as number))).toBe(true);
      expect(document).toMatchObject({ unattributed: 0, stillAway: 0, collateral: 0 });
    },
  );
});

describe('when readiness fails on purpose', () => {
  test.each(['cpu', 'connections-average'])(
    'pods that have been ready still count by %s: all replicas and all clients stay',
    async (hpaMetric) => {
      const { changes, document, of } = await played({ hpaDuring: 'readiness-fail', hpaMetric });
      expect(of('replicas').some(({ owner, ready }) => owner === 'gateway-v1' && ready === 0)).toBe(true);
      expect(changes).toEqual([]);
      expect(document.dropped).toBe(0);
    },
  );

  test('a Value metric counts ready pods: it wants none, and after the window all but minReplicas go with their clients', async () => {
    const { of, changes, decisions, ended, document, byAutoscaler } = await played({
      hpaDuring: 'readiness-fail',
      hpaMetric: 'connections-value',
    });
    const unready = of('replicas').find(
      ({ owner, ready, at }) => owner === 'gateway-v1' && ready === 0 && at > 60_000,
    )?.at as number;
    expect(decisions.find(({ at }) => at >= unready)?.why).toMatch(
      /^connections 600 asks for 0; ScaleDownStabilized/,
    );
    expect(changes).toMatchObject([{ target: 'gateway-v1', current: PODS, desired: 1 }]);
    // The last recommendation of more was given up to one sync before.
    const waited = (changes[0]?.at as number) - unready;
    expect(waited).toBeGreaterThanOrEqual(STABILIZATION - SYNC);
    expect(waited).toBeLessThanOrEqual(STABILIZATION + SYNC);
    expect(ended).toHaveLength(PODS - 1);
    const killed = ended.reduce((sum, { connections = 0 }) => sum + connections, 0);
    expect(killed).toBeGreaterThan(0);
    expect(document.dropped).toBe(killed);
    expect(byAutoscaler).toHaveLength(killed);
  });

  test('of pods with and without readiness, those without go first, with the clients they hold', async () => {
    const failed: string[] = [];
    const half = {
      ...hpa,
      release: (stage: Stage) =>
        hpa.release({
          ...stage,
          // Half of the pods are told, and nobody waits for the others.
          async call(pod, path) {
            if (failed.length === PODS / 2) return false;
            failed.push(pod);
            return stage.call(pod, path);
          },
          until: (what, check, limit) =>
            what.includes('ready') ? stage.sleep(60_000) : stage.until(what, check, limit),
        }),
    };
    const { changes, ended } = await played(
      { hpaDuring: 'readiness-fail', hpaMetric: 'connections-value' },
      half,
    );
    expect(changes).toMatchObject([{ current: PODS, desired: PODS / 2 }]);
    expect(ended.map(({ pod }) => pod).sort()).toEqual([...failed].sort());
    expect(ended.every(({ connections = 0 }) => connections > 0)).toBe(true);
  });
});

describe('during a rolling update', () => {
  test('pods that have only just become ready do not count by CPU, whatever their start has cost', async () => {
    // Since 1.21 so few pods are replaced between two looks of the autoscaler, which then sees none that is not ready.
    const { begin, decisions, ended } = await played({
      hpaDuring: 'rolling-update',
      kubernetes: '1.20',
      podStart: '1s',
    });
    const from = begin('template to v2');
    const last = ended.at(PODS - 1)?.at as number;
    expect(
      decisions.filter(({ at }) => at > from && at < last + 2 * SYNC).map(({ why }) => why),
    ).toContainEqual(expect.stringContaining('pods might be unready'));
    expect(
      decisions.filter(({ at, desired }) => at > from && at < last + 2 * SYNC && desired > PODS),
    ).toEqual([]);
  });

  test('clients that are away longer than the window have the new version shrunk before they are back', async () => {
    const { changes, begin } = await played({
      hpaDuring: 'rolling-update',
      hpaMetric: 'connections-average',
      backoff: '20m',
    });
    const [first] = changes;
    expect(first?.desired).toBeLessThan(PODS);
    expect((first?.at as number) - begin('template to v2')).toBeGreaterThanOrEqual(STABILIZATION);
  });
});

describe('after a selector flip', () => {
  test.each(['cpu', 'connections-value', 'connections-average'])(
    'the draining Deployment is scaled down by itself, by %s, and takes clients that were not asked yet',
    async (hpaMetric) => {
      const { changes, begin, byAutoscaler, document, decisions, ended } = await played({
        hpaDuring: 'selector-flip',
        hpaMetric,
      });
      const sizes = changes.map(({ desired }) => desired);
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
      expect(sizes.at(-1)).toBe(1);
      expect(changes.every(({ target }) => target === 'gateway-v1')).toBe(true);
      // Nobody else has ended v1's pods.
      expect(ended).toHaveLength(PODS - 1);
      const wish = decisions.find(({ at, why }) => at > begin('v1 drains') && why.includes('asks for 3'));
      expect((changes[0]?.at as number) - (wish?.at as number)).toBeGreaterThanOrEqual(STABILIZATION - SYNC);
      expect(byAutoscaler.length).toBeGreaterThan(0);
      expect(byAutoscaler.length).toBeLessThan(document.dropped);
    },
  );
});

describe('in a reconnect storm', () => {
  const storm = (handshakeCpu: string) => played({ hpaDuring: 'storm', handshakeCpu });

  test('handshakes scale up, and after the window it shrinks again and drops clients a second time', async () => {
    const { changes, document, byAutoscaler } = await storm('20ms');
    const up = changes.filter(({ current, desired }) => desired > current);
    const down = changes.filter(({ current, desired }) => desired < current);
    expect(up.length).toBeGreaterThan(0);
    expect(down.length).toBeGreaterThan(0);
    expect((down[0]?.at as number) - (up[0]?.at as number)).toBeGreaterThanOrEqual(STABILIZATION);
    expect(document.droppedTwice).toBeGreaterThan(0);
    expect(byAutoscaler.length).toBeGreaterThan(0);
  });

  test('where a handshake costs little more than a ping nothing is scaled up', async () => {
    const { changes } = await storm('0s');
    expect(changes.filter(({ current, desired }) => desired > current)).toEqual([]);
  });
});

describe('by what the autoscaler is told', () => {
  test.each([
    ['1/5m', 1, 5],
    ['2/10m', 2, 10],
    ['25%/5m', 1, 5],
  ] as const)(
    'with the policy %s no more than so many pods, and what they hold, go in that time',
    async (hpaDownPolicy, pods, minutes) => {
      const { byAutoscaler, changes, ended, of, document } = await played({
        hpaDuring: 'readiness-fail',
        hpaMetric: 'connections-value',
        hpaDownPolicy,
      });
      const period = minutes * 60_000;
      expect(changes.at(-1)?.desired).toBe(1);
      expect(ended).toHaveLength(PODS - 1);
      const [release] = of('step').filter(({ phase }) => phase === 'release');
      const held = new Map<string, number>();
      for (const { pod, at } of of('open'))
        if (at < (release?.at ?? 0)) held.set(pod, (held.get(pod) ?? 0) + 1);
      const fullest = Math.max(...held.values());
      for (const { at } of changes) {
        const within = <T extends { readonly at: number }>(all: readonly T[]) =>
          all.filter((one) => one.at >= at && one.at < at + period);
        expect(within(ended).length).toBeLessThanOrEqual(pods);
        const lost = byAutoscaler.filter(({ detected }) => detected >= at && detected < at + period);
        expect(lost.length).toBeLessThanOrEqual(pods * fullest);
      }
      expect(document).toMatchObject({ unattributed: 0, droppedTwice: 0 });
    },
  );

  test('minReplicas and maxReplicas bound it, the window delays it', async () => {
    const { changes, of } = await played({
      hpaDuring: 'readiness-fail',
      hpaMetric: 'connections-value',
      hpaMin: '3',
      hpaDownWindow: '10m',
    });
    const unready = of('replicas').find(
      ({ owner, ready, at }) => owner === 'gateway-v1' && ready === 0 && at > 60_000,
    )?.at as number;
    expect(changes).toMatchObject([{ current: PODS, desired: 3 }]);
    const waited = (changes[0]?.at as number) - unready;
    expect(waited).toBeGreaterThanOrEqual(2 * STABILIZATION - SYNC);
    expect(waited).toBeLessThanOrEqual(2 * STABILIZATION + SYNC);
    const storm = await played({ hpaDuring: 'storm', handshakeCpu: '20ms', hpaMax: '5' });
    expect(Math.max(...storm.changes.map(({ desired }) => desired))).toBe(5);
  });

  test('a tolerance of its own keeps it where the cluster would scale, since Kubernetes 1.35', async () => {
    const texts: AxisTexts = {
      hpaDuring: 'selector-flip',
      hpaMetric: 'connections-value',
      hpaTolerance: '60%',
    };
    // The drain is over half-way before the metric has left such a tolerance.
    const first = async (kubernetes: string) => {
      const { changes, begin } = await played({ ...texts, kubernetes });
      return (changes[0]?.at as number) - begin('v1 drains');
    };
    expect((await first('1.35')) - (await first('1.34'))).toBeGreaterThan(5 * 60_000);
  });
});

test('a rollback removes the autoscaler first', async () => {
  const { of, document } = await played({ hpaDuring: 'selector-flip', rollbackAfter: '8m' });
  expect(of('step').find(({ phase }) => phase === 'rollback')?.name).toBe('the autoscaler is removed');
  expect(document.unattributed).toBe(0);
});
