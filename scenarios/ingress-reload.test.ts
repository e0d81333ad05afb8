import { expect, test } from 'vitest';
import type { Axes, AxisTexts } from '../harness/contracts/axes.ts';
import { PROXIES, PROXY_NAMES, type ProxyName } from '../harness/platforms/proxies.ts';
import { ingressReload } from './ingress-reload.ts';
import { playOnSim } from './test-play.ts';

const FEW: AxisTexts = { clients: '60', pods: '2', backoff: '30s' };
const played = (texts: AxisTexts) => playOnSim(ingressReload, { ...FEW, ...texts });

/** Between a change and the moment when a proxy has heard of it, put it in force and, being released, told its first pod. */
const HEARD = 5000;

/** Each entry of the table: by what every client loses its connection, and how long after it; where absent, nobody does. */
const EXPECTED: Readonly<Record<ProxyName, Readonly<Partial<Record<Axes['reloadBy'], number>>>>> = {
  'ingress-nginx': { ingress: 240_000, settings: 240_000, 'proxy-rollout': 240_000 },
  'nginx-gateway-fabric': { 'proxy-rollout': 0 },
  'haproxy-ingress': { ingress: 600_000, certificate: 600_000, settings: 600_000, 'proxy-rollout': 0 },
  traefik: { 'proxy-rollout': 10_000 },
  'envoy-gateway': { settings: 60_000, 'proxy-rollout': 60_000 },
  istio: { settings: 45_000, 'proxy-rollout': 5000 },
};
const CHANGES = ['ingress', 'certificate', 'endpoint', 'settings', 'proxy-rollout'] as const;

test.for(PROXY_NAMES.flatMap((ingress) => CHANGES.map((reloadBy) => [ingress, reloadBy] as const)))(
  'what %s costs its clients by %s, and when',
  async ([ingress, reloadBy]) => {
    const { document, ledger } = await played({ ingress, reloadBy });
    const after = EXPECTED[ingress][reloadBy];
    expect(document.unattributed).toBe(0);
    if (after === undefined) {
      expect(document.dropped).toBe(0);
      return;
    }
    expect(document).toMatchObject({ dropped: 60, collateral: ledger.rows.length, closed: 0, silent: 0 });
    expect(document.firstDropMillis).toBeGreaterThanOrEqual(after);
    expect(document.firstDropMillis).toBeLessThan(after + HEARD);
    // Whose proxy it was is told by its own name.
    for (const { chain } of ledger.rows)
      expect(ledger.chains[chain]?.moments.at(-1)?.text).toContain(PROXIES[ingress].title);
    const causes = new Set(ledger.rows.map(({ cause }) => cause));
    const { ends } = PROXIES[ingress].reload;
    const byReload = ends === 'drain' ? 'proxy-drained' : 'proxy-shutdown-timeout';
    const { keeps } = PROXIES[ingress].termination;
    expect(causes).toEqual(
      new Set([reloadBy === 'proxy-rollout' && keeps !== 'reload' ? 'proxy-ended' : byReload]),
    );
  },
);

test('several reloads within the shutdown time-out cost no more than one (centrifugo#982)', async () => {
  const once = await played({});
  const often = await played({ reloads: '4', reloadEvery: '1m' });
  expect(often.document).toMatchObject({ dropped: 60, droppedTwice: 0 });
  expect(often.document.firstDropMillis).toBe(once.document.firstDropMillis);
});

test('a reload that comes when the clients are back costs them all once more', async () => {
  const { document } = await played({ reloads: '2', reloadEvery: '6m' });
  expect(document).toMatchObject({ dropped: 60, droppedTwice: 60 });
});

test('with a worker_shutdown_timeout of N, each socket ends N after the next reload after it opened (nginx-gateway-fabric#5524)', async () => {
  const { document, ledger, events } = await played({
    ingress: 'nginx-gateway-fabric',
    workerShutdownTimeout: '60s',
    reloadBy: 'endpoint',
    reloads: '6',
    reloadEvery: '100s',
    backoff: '5s',
  });
  expect(document.droppedTwice).toBe(60);
  expect(ledger.rows).toHaveLength(6 * 60);
  const opened = new Map<string, { at: number; hop: string | undefined }>();
  for (const event of events) {
    if (event.type === 'open') opened.set(event.client, { at: event.at, hop: event.hop });
    if (event.type !== 'closed') continue;
    const connection = opened.get(event.client);
    const reload = events.find(
      ({ type, at, ...rest }) =>
        type === 'hop' && at > (connection?.at ?? 0) && 'kept' in rest && rest.hop === connection?.hop,
    );
    expect(event.at - (reload?.at ?? 0)).toBe(60_000);
  }
  expect(new Set(ledger.rows.map(({ cause }) => cause))).toEqual(new Set(['proxy-shutdown-timeout']));
});

test('HAProxy reloads for an endpoint only once its slots are full', async () => {
  const within = await played({ ingress: 'haproxy-ingress', reloadBy: 'endpoint', reloads: '6' });
  expect(within.document.dropped).toBe(0);
  const beyond = await played({ ingress: 'haproxy-ingress', reloadBy: 'endpoint', reloads: '7' });
  expect(beyond.document).toMatchObject({ dropped: 60, droppedTwice: 0 });
});

test('a time-out that the user sets takes the place of the own one', async () => {
  const { document } = await played({ workerShutdownTimeout: '1h' });
  expect(document.dropped).toBe(60);
  expect(document.firstDropMillis).toBeGreaterThanOrEqual(3_600_000);
  const never = await played({ workerShutdownTimeout: 'never' });
  expect(never.document.dropped).toBe(0);
});

test('a proxy with a lifetime limit ends each connection at that age, again and again, speaking or not', async () => {
  const { ledger } = await played({ proxyLifetime: '2m', reloadBy: 'endpoint', backoff: '5s' });
  expect(new Set(ledger.rows.map(({ cause }) => cause))).toEqual(new Set(['proxy-lifetime']));
  expect(ledger.rows.length).toBeGreaterThan(120);
});

test.for([
  ['ingress-nginx', '2m', 'proxy-idle'],
  ['envoy-gateway', '2m', undefined],
  ['envoy-gateway', '6m', 'proxy-idle'],
  ['haproxy-ingress', '20m', undefined],
  ['traefik', '30m', undefined],
] as const)(
  'a client of %s that is silent for %s meets its own idle limit',
  async ([ingress, heartbeat, cause]) => {
    const { ledger } = await played({ ingress, heartbeat, reloadBy: 'endpoint' });
    expect(new Set(ledger.rows.map((row) => row.cause))).toEqual(new Set(cause === undefined ? [] : [cause]));
  },
);
