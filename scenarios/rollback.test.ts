import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { STRATEGIES } from './index.ts';
import { cellsOf, interruptedAt } from './test-rollback.ts';

/** All that there is to choose in a strategy, where a rollback has to know of it. */
const CHOICES: Readonly<Record<string, AxisTexts>> = {
  'rolling-update': { drain: 'close-all,abrupt,paced' },
  'selector-flip': { retire: 'paced,abrupt' },
  'readiness-fail': { retire: 'paced,abrupt' },
  'paced-drain': { stopNew: 'flip,readiness', ask: 'close,message' },
  'make-before-break': {},
  'blue-green': { switchBy: 'selector,balancer', keepBlue: 'no,yes', retire: 'paced,abrupt' },
  'ingress-canary': { promote: 'ingress,selector', ingressApi: 'ingress,gateway-api' },
  'ingress-reload': {
    ingress: 'ingress-nginx,haproxy-ingress,nginx-gateway-fabric,envoy-gateway',
    reloadBy: 'ingress,certificate,endpoint,settings,proxy-rollout',
  },
  'service-mesh': { meshRouting: 'http,tcp', exitOnZero: 'no,yes', retire: 'paced,abrupt' },
  handoff: { handoffBy: 'holder,worker' },
  'seventy-thirty': {},
  'node-churn': { churn: 'one,upgrade' },
  'node-drain': { by: 'kubectl,cluster-autoscaler,karpenter,spot', budget: 'none,0,1' },
  'node-failure': {},
  'policy-change': {},
  hpa: {
    hpaDuring: 'readiness-fail,rolling-update,selector-flip,storm',
    hpaMetric: 'cpu,connections-value,connections-average',
  },
};

const FEW: AxisTexts = { clients: '8', pods: '2', backoff: '10s', heartbeat: '10s', drainOver: '30s' };

test('every strategy is rolled back here', () => {
  expect(Object.keys(CHOICES)).toEqual(Object.keys(STRATEGIES));
});

test.for(Object.entries(CHOICES))(
  'wherever %s is interrupted, a rollback brings v1 back as it was, with every client, and is judged',
  { timeout: 120_000 },
  async ([name, choices]) => {
    const cells = cellsOf(STRATEGIES[name] as Strategy, { ...FEW, policy: 'Cluster,Local', ...choices });
    const wholes = new Map<string, readonly number[]>();
    const moment = fc.oneof(
      // Before the first pod of v2 runs.
      fc.record({ after: fc.constant(0), share: fc.constant(0), more: fc.integer({ min: 1, max: 4000 }) }),
      // As a step begins or has just begun.
      fc.record({ after: fc.nat(20), share: fc.constant(0), more: fc.integer({ min: 1, max: 3000 }) }),
      // In the middle of a step, or after the end.
      fc.record({ after: fc.nat(20), share: fc.double({ min: 0, max: 1, noNaN: true }), more: fc.nat(2000) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(cells.length - 1), moment, async (index, { after, share, more }) => {
        const cell = cells[index] as (typeof cells)[number];
        const begins = wholes.get(cell.id) ?? (await interruptedAt(cell, undefined)).moments;
        wholes.set(cell.id, begins);
        const step = after % begins.length;
        const begin = begins[step] ?? 0;
        const at = Math.round(begin + share * ((begins[step + 1] ?? begin) - begin)) + more;
        const { played, document, before, after: end } = await interruptedAt(cell, at);
        const where = `${cell.id} at ${at} ms`;
        expect(played, where).toEqual({ outcome: 'finished' });
        expect(['pass', 'fail'], where).toContain(document.verdict);
        expect(document.stillAway, where).toBe(0);
        expect(end, where).toEqual(before);
      }),
      { numRuns: 100, seed: 11 },
    );
  },
);

test('a run that is asked to end in the middle of a rollback is interrupted, never broken', async () => {
  const cells = Object.values(STRATEGIES).flatMap((strategy) => cellsOf(strategy, FEW));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(cells.length - 1),
      fc.integer({ min: 1, max: 100_000 }),
      fc.nat(20),
      async (index, at, later) => {
        const cell = cells[index] as (typeof cells)[number];
        let since = -1;
        let over = false;
        let asked = false;
        const { played } = await interruptedAt(cell, at, (event) => {
          if (event.type === 'step') over ||= event.phase === 'settle';
          if (since >= 0 || (event.type === 'step' && event.phase === 'rollback')) since++;
          asked ||= since === later && !over;
          return asked;
        });
        expect(played.outcome, `${cell.id} at ${at} ms`).toBe(asked ? 'interrupted' : 'finished');
      },
    ),
    { numRuns: 60, seed: 12 },
  );
});
