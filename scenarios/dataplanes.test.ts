import { describe, expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import type { DATAPLANES } from '../harness/platforms/dataplanes.ts';
import { STRATEGIES } from './index.ts';
import { playOnSim } from './test-play.ts';

const CLIENTS = 60;

async function lost(strategy: string, texts: AxisTexts) {
  const { document } = await playOnSim(STRATEGIES[strategy] as Strategy, {
    clients: String(CLIENTS),
    pods: '3',
    backoff: '20s',
    heartbeat: '10s',
    drainOver: '30s',
    ...texts,
  });
  expect(document.unattributed).toBe(0);
  return document;
}

/** Connections lost although their pod served: by an un-selected pod, and by one that is not ready (FACTS-2026, section 5). */
const EXPECTED: Readonly<Record<keyof typeof DATAPLANES, { flip: number; unready: number }>> = {
  iptables: { flip: 0, unready: 0 },
  nftables: { flip: 0, unready: 0 },
  ipvs: { flip: 0, unready: 0 },
  'cilium-1.12': { flip: 1, unready: 1 },
  'cilium-1.13': { flip: 1, unready: 1 },
  'cilium-1.16': { flip: 1, unready: 1 },
  'cilium-1.18': { flip: 1, unready: 1 },
  'cilium-1.19': { flip: 1, unready: 0 },
};

describe.each(Object.entries(EXPECTED))('with %s', (proxy, { flip, unready }) => {
  test(`a selector flip costs ${100 * flip} %, and nothing where a second Service still selects the pods`, async () => {
    expect((await lost('selector-flip', { proxy })).collateral).toBe(flip * CLIENTS);
    expect((await lost('selector-flip', { proxy, secondService: 'yes' })).collateral).toBe(0);
  });

  test(`pods that fail readiness on purpose lose ${100 * unready} %, a second Service or not`, async () => {
    expect((await lost('readiness-fail', { proxy })).collateral).toBe(unready * CLIENTS);
    expect((await lost('readiness-fail', { proxy, secondService: 'yes' })).collateral).toBe(
      unready * CLIENTS,
    );
  });

  test('pods that terminate and serve keep their connections, as long as others are active', async () => {
    const { reset, silent } = await lost('rolling-update', { proxy, drain: 'paced', grace: '2m' });
    expect({ reset, silent }).toEqual({ reset: 0, silent: 0 });
  });

  test('so does the last of them, but for Cilium 1.13', async () => {
    const alone = { pods: '1', maxSurge: '0', maxUnavailable: '1', heartbeat: '1s' };
    const { reset, silent } = await lost('rolling-update', { proxy, ...alone, drain: 'paced', grace: '2m' });
    expect(reset).toBe(0);
    if (proxy === 'cilium-1.13') expect(silent).toBeGreaterThan(0.8 * CLIENTS);
    else expect(silent).toBe(0);
  });
});

test.each([
  ['cilium-1.13', '5h', '7h'],
  ['cilium-1.16', '2h', '3h'],
])(
  '%s forgets a connection that is silent for 7 h or 3 h, release or not',
  async (proxy, kept, forgotten) => {
    const churn = { proxy, pods: '2', nodes: '1' };
    expect((await lost('node-churn', { ...churn, heartbeat: kept })).dropped).toBe(0);
    const { dropped, reset, warnings } = await lost('node-churn', { ...churn, heartbeat: forgotten });
    // The other half is balanced to the pod that it had, on its own node, and does not notice.
    expect(reset).toBe(dropped);
    expect(dropped).toBeGreaterThan(0);
    expect(warnings).toContainEqual(expect.stringContaining('forgets a silent connection'));
  },
);

test('the rules of before 1.24 lose what those of today lose', async () => {
  const now = await lost('seventy-thirty', { policy: 'Local', pods: '1' });
  const then = await lost('seventy-thirty', { policy: 'Local', pods: '1', kubernetes: '1.22' });
  expect([then.dropped, then.silent]).toEqual([now.dropped, now.silent]);
});

test('holders whose Service inside the cluster is Local keep their clients where each node has a gateway', async () => {
  const holder = { handoffBy: 'holder', internalPolicy: 'Local' };
  expect((await lost('handoff', holder)).dropped).toBe(0);
  // One holder, and one gateway on another node: no upstream is ever found.
  const { events } = await playOnSim(STRATEGIES.handoff as Strategy, { ...holder, clients: '4', pods: '1' });
  expect(events.filter(({ type }) => type === 'refused').length).toBeGreaterThan(0);
});
