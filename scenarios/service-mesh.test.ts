import { describe, expect, test } from 'vitest';
import type { Timed } from '../harness/contracts/event.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { serviceMesh } from './service-mesh.ts';
import { playOnSim } from './test-play.ts';

const small = { clients: '200', pods: '2', backoff: '30s', canaryEvery: '1m' } as const;
const hops = (events: readonly Timed[]) => events.filter((event) => event.type === 'hop');
const only = (name: string, release: Strategy['release']): Strategy => ({ ...serviceMesh, name, release });

describe('weights', () => {
  test('as HTTP routes end no stream and move none, until v1 is retired', async () => {
    const { document, events } = await playOnSim(serviceMesh, {
      ...small,
      meshRouting: 'http',
      exitOnZero: 'yes',
    });
    const retired = events.find((event) => event.type === 'step' && event.name === 'retire v1')?.at ?? 0;
    const lost = events.filter(({ type }) => type === 'closed');
    expect(lost).toHaveLength(200);
    expect(lost.every(({ at }) => at > retired)).toBe(true);
    expect(document).toMatchObject({ landedOnOld: 0, droppedTwice: 0, unattributed: 0, verdict: 'pass' });
  });

  test('in a TCP listener end every connection 45 s after each change, those to v2 included', async () => {
    const { document, events, ledger } = await playOnSim(serviceMesh, {
      ...small,
      meshRouting: 'tcp',
      exitOnZero: 'no',
      canarySteps: '50-100',
      canaryEvery: '2m',
    });
    const steps = events.filter(
      (event) => event.type === 'step' && event.edge === 'begin' && event.name.endsWith('% to v2'),
    );
    expect(steps).toHaveLength(2);
    expect(document).toMatchObject({ dropped: 200, droppedTwice: 200, unattributed: 0, inferred: 0 });
    for (const { at } of steps) {
      const ended = ledger.rows.filter(({ detected }) => detected >= at && detected < at + 60_000);
      expect(ended.length).toBe(200);
      for (const { detected, cause, showed } of ended) {
        expect(detected - at).toBeGreaterThanOrEqual(45_000);
        // istiod waits 100 ms for quiet before it pushes.
        expect(detected - at).toBeLessThan(45_500);
        expect(`${cause} ${showed}`).toBe('proxy-drained fin');
      }
    }
  });
});

describe('a pod with a native sidecar', () => {
  const native = { ...small, meshRouting: 'http', canarySteps: '100' } as const;

  test.each(['no', 'yes'] as const)(
    'drains in peace, for the sidecar gets SIGTERM after its application (EXIT_ON_ZERO %s)',
    async (exitOnZero) => {
      const { document, events } = await playOnSim(serviceMesh, { ...native, exitOnZero });
      expect(document).toMatchObject({ dropped: 200, closed: 200, fin: 0, droppedTwice: 0, unattributed: 0 });
      expect(document.lossIn10SecondsShare).toBeLessThan(0.12);
      expect(hops(events)).toEqual([]);
    },
  );

  test('lets preStop pass in peace as well', async () => {
    const { document } = await playOnSim(serviceMesh, { ...native, exitOnZero: 'no', preStop: '30s' });
    expect(document).toMatchObject({ dropped: 200, closed: 200, fin: 0, unattributed: 0 });
  });

  test('is killed with its application when the grace period is over', async () => {
    const { document, events } = await playOnSim(serviceMesh, { ...native, exitOnZero: 'no', grace: '1m' });
    expect(events.filter((event) => event.type === 'gateway' && event.did === 'killed')).toHaveLength(2);
    expect(document).toMatchObject({ dropped: 200, unattributed: 0 });
    expect(document.fin).toBeGreaterThan(80);
  });

  test('needs a kubelet that knows it: before 1.29 it ends as a classic one does', async () => {
    const { document } = await playOnSim(serviceMesh, { ...native, exitOnZero: 'no', kubernetes: '1.28' });
    expect(document.fin).toBeGreaterThan(150);
    expect(document.lossIn10SecondsShare).toBe(1);
  });
});

describe('a pod with a classic sidecar', () => {
  test('loses all its connections 5 s after SIGTERM, however long its application may drain', async () => {
    const { document, events, ledger } = await playOnSim(serviceMesh, {
      ...small,
      sidecars: 'classic',
      meshRouting: 'http',
      exitOnZero: 'no',
      canarySteps: '100',
    });
    const terms = events.filter((event) => event.type === 'gateway' && event.did === 'sigterm');
    expect(terms).toHaveLength(2);
    const fins = ledger.rows.filter(({ showed }) => showed === 'fin');
    expect(fins.length).toBeGreaterThan(150);
    for (const row of fins) {
      const term = terms.find((event) => event.type === 'gateway' && event.pod === row.podBefore);
      expect(row.detected - (term?.at ?? 0)).toBe(5000);
      expect(row.cause).toBe('envoy-aborted');
    }
    expect(document).toMatchObject({ dropped: 200, droppedTwice: 0, unattributed: 0, inferred: 0 });
  });

  test('drains in peace with EXIT_ON_ZERO_ACTIVE_CONNECTIONS', async () => {
    const { document } = await playOnSim(serviceMesh, {
      ...small,
      sidecars: 'classic',
      meshRouting: 'http',
      exitOnZero: 'yes',
      canarySteps: '100',
    });
    expect(document).toMatchObject({ dropped: 200, closed: 200, fin: 0, droppedTwice: 0, unattributed: 0 });
    expect(document.lossIn10SecondsShare).toBeLessThan(0.12);
  });

  test('waits for no longer than the grace period, then all are killed', async () => {
    const { document, events } = await playOnSim(serviceMesh, {
      ...small,
      sidecars: 'classic',
      meshRouting: 'http',
      exitOnZero: 'yes',
      canarySteps: '100',
      grace: '1m',
    });
    expect(events.filter((event) => event.type === 'gateway' && event.did === 'killed')).toHaveLength(2);
    expect(document).toMatchObject({ dropped: 200, unattributed: 0 });
    expect(document.fin).toBeGreaterThan(80);
  });

  test('loses them while its application is still in preStop', async () => {
    const { document, events } = await playOnSim(serviceMesh, {
      ...small,
      sidecars: 'classic',
      meshRouting: 'http',
      exitOnZero: 'no',
      canarySteps: '100',
      preStop: '30s',
    });
    const aborts = hops(events).filter(({ did }) => did.includes('aborts Envoy 5s after SIGTERM'));
    const terms = events.filter((event) => event.type === 'gateway' && event.did === 'sigterm');
    expect(aborts).toHaveLength(2);
    expect(Math.min(...terms.map(({ at }) => at)) - Math.max(...aborts.map(({ at }) => at))).toBeGreaterThan(
      20_000,
    );
    expect(document).toMatchObject({ dropped: 200, fin: 200, unattributed: 0 });
  });
});

test('a stream that is silent for 5 minutes is reset, whatever is released', async () => {
  const { document, ledger } = await playOnSim(
    only('nothing', (stage) => stage.sleep(420_000)),
    { ...small, meshRouting: 'http', exitOnZero: 'yes', heartbeat: '10m' },
  );
  expect(document.unattributed).toBe(0);
  expect(document.dropped).toBeGreaterThan(0);
  expect(new Set(ledger.rows.map(({ cause }) => cause))).toEqual(new Set(['proxy-idle']));
  const tcp = await playOnSim(
    only('nothing', (stage) => stage.sleep(420_000)),
    { ...small, meshRouting: 'tcp', exitOnZero: 'yes', heartbeat: '10m' },
  );
  expect(tcp.document.dropped).toBe(0);
});

test('the release of the ingress gateway itself drops its clients 5 s after its SIGTERM', async () => {
  const { document, events } = await playOnSim(
    only('gateway goes', async (stage) => {
      await stage.kube.patch('Deployment', 'istio-ingressgateway', {
        spec: { template: { metadata: { annotations: { restarted: 'now' } } } },
      });
      await stage.rolledOut('istio-ingressgateway');
      await stage.sleep(60_000);
    }),
    { ...small, meshRouting: 'http', exitOnZero: 'no' },
  );
  expect(hops(events).filter(({ did }) => did.includes('5s after SIGTERM'))).not.toEqual([]);
  expect(document).toMatchObject({ dropped: 200, unattributed: 0, stillAway: 0 });
});
