import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Chain, commonChains, describeChain } from '../harness/analyses/ledger/ledger.ts';
import { BACKOFF_MODELS } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { BALANCER_NAMES } from '../harness/platforms/balancers.ts';
import { DATAPLANES } from '../harness/platforms/dataplanes.ts';
import { NODE_REMOVAL_NAMES } from '../harness/platforms/node-removals.ts';
import { STRATEGIES } from './index.ts';
import { playOnSim } from './test-play.ts';

const CASES = 200;

const some = (...values: string[]) => fc.constantFrom(...values);

const axes = fc.record({
  clients: some('20', '40'),
  pods: some('1', '2', '3', '5'),
  nodes: some('1', '2', '3', '6'),
  proxy: some(...Object.keys(DATAPLANES)),
  secondService: some('no', 'yes'),
  balancer: some(...BALANCER_NAMES),
  heartbeat: some('10s', '30s', '2m', '20m'),
  backoff: some('5s', '30s', '5m'),
  backoffModel: some(...BACKOFF_MODELS),
  drain: some('close-all', 'abrupt', 'paced'),
  retire: some('paced', 'abrupt'),
  grace: some('30s', '90s', '1h'),
  preStop: some('0s', '30s'),
  drainOver: some('0s', '1m', '5m'),
  switchBy: some('selector', 'balancer'),
  keepBlue: some('no', 'yes'),
  handoffBy: some('holder', 'worker'),
  churn: some('one', 'upgrade'),
  by: some(...NODE_REMOVAL_NAMES),
  budget: some('none', '0', '1', '50%'),
  // Each with the API that is its own.
  ingress: some('ingress-nginx', 'nginx-gateway-fabric', 'envoy-gateway', 'istio'),
  workerShutdownTimeout: some('1m', '4m', 'never'),
  reloadBy: some('ingress', 'certificate', 'endpoint', 'settings', 'proxy-rollout'),
  reloads: some('1', '3'),
  meshRouting: some('http', 'tcp'),
  promote: some('ingress', 'selector'),
  exitOnZero: some('no', 'yes'),
  stopNew: some('flip', 'readiness'),
  tcpLoose: some('1', '0'),
});

/** Each strategy with each policy, again and again, so that random axes meet all of them equally often. */
const cells = Object.values(STRATEGIES).flatMap((strategy) =>
  ['Cluster', 'Local'].map((policy) => ({ strategy, policy })),
);

test.each(cells.map((cell, seed) => ({ ...cell, seed, name: cell.strategy.name })))(
  'on any axes every drop of $name with $policy has a cause on its own path and before it',
  async ({ strategy, policy, seed: axesSeed }) => {
    await fc.assert(
      fc.asyncProperty(axes, fc.nat(1000), async (texts, seed) => {
        const { document, ledger, innocence, history, fleet } = await playOnSim(
          strategy,
          { ...texts, policy },
          seed,
        );
        expect(innocence).toMatchObject({ outcome: 'finished' });
        expect(document.why.filter((why) => why.startsWith('analysis failed'))).toEqual([]);
        expect(document.unattributed).toBe(0);
        for (const share of [document.droppedShare, document.lossIn10SecondsShare, document.mostAwayShare])
          expect(share).toBeLessThanOrEqual(1);
        for (const [place, row] of ledger.rows.entries()) {
          const chain = ledger.chains[row.chain];
          const drop = fleet.drops[place];
          // Only what a table forgets by itself takes no event.
          if (chain?.moments.length === 0)
            expect(['entry-expired', 'tracking-expired', 'balancer-idle']).toContain(row.cause);
          for (const { at, kind, text } of chain?.moments ?? []) {
            const told = `${row.cause}: ${describeChain(chain as Chain).join(' / ')}`;
            expect(at, told).toBeLessThanOrEqual(row.detected);
            if (row.fate !== undefined && kind !== 'hop') expect(at, told).toBeLessThanOrEqual(row.fate.at);
            // No other pod is named, and no node but those that carried this client's packets.
            const named = [...history.pods.keys()].filter((pod) => text.includes(pod));
            for (const pod of named) expect([row.podBefore, drop?.hop], told).toContain(pod);
            // A node that is told to have gone, or to have lost its last endpoint, is one that carried this client.
            const [, node] = /^node (\S+)|endpoint on (\S+);/.exec(text)?.filter(Boolean) ?? [];
            const carried = [row.nodeBefore, row.fate?.node, row.fate?.before].filter(Boolean);
            if (node !== undefined) expect(carried, told).toContain(node);
          }
        }
      }),
      { numRuns: Math.ceil(CASES / cells.length), seed: axesSeed, endOnFailure: true },
    );
  },
);

describe('a release that did nothing to a connection is not blamed for its idling', () => {
  const causes = (rows: readonly { cause: string }[]) => [...new Set(rows.map(({ cause }) => cause))].sort();

  test('IPVS forgets after 900 s what a heartbeat of 20 minutes keeps silent, long after every pod is v2', async () => {
    const axes = { clients: '60', pods: '3', proxy: 'ipvs', heartbeat: '20m', grace: '1h' };
    const { ledger, history } = await playOnSim(STRATEGIES['rolling-update'] as Strategy, axes);
    const over = Math.max(
      ...history.steps.flatMap(({ phase, end }) => (phase === 'release' ? (end ?? 0) : [])),
    );
    const later = ledger.rows.filter(
      ({ detected, versionBefore }) => detected > over && versionBefore === 'v2',
    );
    expect(later.length).toBeGreaterThan(20);
    expect(causes(later)).toEqual(['entry-expired']);
    for (const { chain } of later)
      expect(ledger.chains[chain]).toMatchObject({ step: undefined, moments: [] });
  });

  test('nor for it on a node that no churn touches', async () => {
    const axes = { clients: '60', nodes: '1', proxy: 'ipvs', heartbeat: '20m', backoff: '30s' };
    const { ledger } = await playOnSim(STRATEGIES['node-churn'] as Strategy, axes);
    expect(causes(ledger.rows)).toEqual(['entry-expired']);
  });

  test("nginx's read time-out ends what pings every two minutes; its thousands of endings are few chains", async () => {
    const axes = { clients: '200', pods: '3', heartbeat: '2m' };
    const { ledger } = await playOnSim(STRATEGIES['ingress-canary'] as Strategy, axes);
    expect(ledger.rows.length).toBeGreaterThan(1000);
    expect(ledger.rows.filter(({ cause }) => cause === 'proxy-idle').length).toBeGreaterThan(1000);
    expect(commonChains(ledger.chains).length).toBeLessThan(10);
  });
});

test("a ping that meets the proxy's ending on its way is lost by that, not by the node's dataplane", async () => {
  const timed = { heartbeat: '10s', backoff: '30s', backoffModel: 'fixed', meshRouting: 'tcp' };
  const axes = { clients: '20', pods: '3', nodes: '2', policy: 'Local', retire: 'abrupt', ...timed };
  const { ledger } = await playOnSim(STRATEGIES['service-mesh'] as Strategy, axes, 0);
  expect(ledger.rows.some(({ fate }) => fate !== undefined)).toBe(true);
  expect(ledger.rows.every(({ cause }) => cause === 'proxy-drained')).toBe(true);
});

test("with Local and several nodes each chain names the client's own pod and no other", async () => {
  const axes = { policy: 'Local', pods: '3', nodes: '6', backoff: '5s', preStop: '30s', grace: '90s' };
  const { ledger, history } = await playOnSim(STRATEGIES['rolling-update'] as Strategy, {
    clients: '300',
    ...axes,
  });
  const moved = ledger.rows.filter(({ cause }) => cause === 'balancer-moved');
  expect(moved.length).toBeGreaterThan(20);
  for (const { podBefore, chain } of ledger.rows) {
    const text = describeChain(ledger.chains[chain] as Chain).join('\n');
    expect([...history.pods.keys()].filter((pod) => text.includes(pod))).toEqual([podBefore]);
  }
});
