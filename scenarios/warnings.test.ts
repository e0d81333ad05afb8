import { expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { STRATEGIES } from './index.ts';
import { playOnSim } from './test-play.ts';

const played = (name: string, texts: AxisTexts) => playOnSim(STRATEGIES[name] as Strategy, texts);

test('a paced drain that the grace period cuts off loses the share of connections that its warning says', async () => {
  const { document, ledger } = await played('rolling-update', { drain: 'paced', clients: '400', pods: '2' });
  expect(document.warnings).toEqual([expect.stringContaining('about 90 %')]);
  const asked = ledger.rows.filter(({ showed }) => showed.startsWith('close'));
  expect(asked.length / ledger.rows.length).toBeCloseTo(0.1, 1);
});

test('with policy Local a preStop hook beyond the detection ends in resets, as its warning says', async () => {
  const { document } = await played('rolling-update', {
    policy: 'Local',
    pods: '3',
    nodes: '6',
    clients: '200',
    backoff: '5s',
    grace: '90s',
    preStop: '60s',
  });
  expect(document.warnings).toEqual([expect.stringContaining('reset')]);
  expect(document.reset).toBe(200);
});

test('a silent client is dropped without any release where its warning says so', async () => {
  const found = await played('seventy-thirty', {
    policy: 'Cluster',
    proxy: 'ipvs',
    heartbeat: '20m',
    clients: '20',
  });
  expect(found.document.warnings).toEqual([expect.stringContaining('IPVS forgets')]);
  expect(found.document.dropped).toBe(20);
});

test('a rollback that comes after the whole release is told, and what only other strategies heed', async () => {
  const { document } = await played('selector-flip', {
    clients: '8',
    heartbeat: '10s',
    backoff: '10s',
    drainOver: '30s',
    rollbackAfter: '2h',
    canarySteps: '5-100',
  });
  expect(document.warnings).toEqual([
    '--canary-steps 5-100 changes nothing: only ingress-canary and service-mesh heed it.',
    expect.stringMatching(/^The release was over after 1m\d+s, before --rollback-after 2h/),
  ]);
});

test('of the axes that only some strategies heed, each strategy knows who heeds those that it does not', () => {
  for (const { name, heeds = [], ignores } of Object.values(STRATEGIES)) {
    for (const axis of heeds) expect(ignores?.has(axis), `${name} ${axis}`).toBe(false);
    for (const [axis, heeders] of ignores ?? []) {
      expect(heeders).not.toContain(name);
      for (const other of heeders) expect(STRATEGIES[other]?.heeds).toContain(axis);
    }
  }
  expect(STRATEGIES['selector-flip']?.ignores?.get('canarySteps')).toEqual([
    'ingress-canary',
    'service-mesh',
  ]);
});

/** Another value of each axis that only some strategies heed than the one that it has by itself. */
const OTHERWISE: AxisTexts = {
  maxSurge: '1',
  maxUnavailable: '1',
  retire: 'abrupt',
  ask: 'message',
  stopNew: 'readiness',
  switchBy: 'balancer',
  dnsTtl: '2m',
  keepBlue: 'yes',
  blueDelay: '2m',
  handoffBy: 'worker',
  internalPolicy: 'Local',
  churn: 'upgrade',
  by: 'karpenter',
  budget: '1',
  nodeRemovalAfter: '2m',
  canarySteps: '50-100',
  canaryEvery: '2m',
  ingressApi: 'gateway-api',
  ingress: 'envoy-gateway',
  workerShutdownTimeout: '1m',
  reloadBy: 'settings',
  reloads: '2',
  reloadEvery: '2m',
  promote: 'selector',
  proxyReadTimeout: '2m',
  proxyLifetime: '2m',
  meshRouting: 'tcp',
  exitOnZero: 'yes',
  sidecars: 'classic',
  hpaDuring: 'storm',
  hpaMetric: 'connections-value',
  hpaMin: '2',
  hpaMax: '5',
  hpaDownWindow: '1m',
  hpaDownPolicy: '1/1m',
  hpaTolerance: '1%',
};

test.for(Object.values(STRATEGIES).map((strategy) => [strategy.name, strategy] as const))(
  'what %s is said to ignore changes nothing of what happens',
  { timeout: 60_000 },
  async ([, strategy]) => {
    const one: Strategy = { ...strategy, defaults: { hpaDuring: 'selector-flip' } };
    const few: AxisTexts = { clients: '6', pods: '2', backoff: '10s', heartbeat: '10s', drainOver: '30s' };
    const { events } = await playOnSim(one, few);
    for (const axis of strategy.ignores?.keys() ?? []) {
      expect(Object.keys(OTHERWISE)).toContain(axis);
      const { events: otherwise } = await playOnSim(one, { ...few, [axis]: OTHERWISE[axis] });
      expect(otherwise, axis).toEqual(events);
    }
  },
);
