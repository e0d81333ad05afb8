import { describe, expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import { nodeFailure } from './node-failure.ts';
import { seventyThirty } from './seventy-thirty.ts';
import { playOnSim } from './test-play.ts';

const found = async (texts: AxisTexts, strategy = seventyThirty) =>
  playOnSim(strategy, { policy: 'Cluster', clients: '30', backoff: '10s', ...texts });

/** Losses by their cause. */
const causes = ({ ledger }: Awaited<ReturnType<typeof found>>) =>
  Object.fromEntries(
    [...Map.groupBy(ledger.rows, ({ cause }) => cause)].map(([cause, rows]) => [cause, rows.length]),
  );

describe('a client that says nothing for longer than a table on its way remembers', () => {
  test.each([
    ['the node (IPVS)', { proxy: 'ipvs', heartbeat: '20m' }, 'entry-expired', '10m'],
    ['the balancer (NLB)', { balancer: 'nlb-instance', heartbeat: '10m' }, 'balancer-idle', '5m'],
  ] as const)(
    'is lost by %s, and not with a keep-alive below that',
    async (_who, texts, cause, keepalive) => {
      const without = await found(texts);
      expect(causes(without)[cause]).toBeGreaterThan(0);
      const kept = await found({ ...texts, keepalive });
      expect(causes(kept)[cause]).toBeUndefined();
      expect(kept.document.unattributed).toBe(0);
    },
  );

  test('hears of it by a keep-alive that comes too late, long before its own ping', async () => {
    const texts: AxisTexts = { balancer: 'nlb-instance', heartbeat: '30m' };
    const late = await found({ ...texts, keepalive: '6m' });
    expect(causes(late)['balancer-idle']).toBeGreaterThan(0);
    for (const { cause, showed, detected, lost } of late.ledger.rows)
      if (cause === 'balancer-idle') {
        expect(showed).toBe('reset');
        expect(detected - lost).toBeLessThanOrEqual(30 * 60_000);
      }
  });
});

test('a connection into a node without power is given up ten probes after its keep-alive began', async () => {
  const texts: AxisTexts = { policy: 'Local', pods: '3', nodes: '3', heartbeat: '10m', backoff: '10s' };
  const without = await found(texts, nodeFailure);
  const { document, ledger } = await found({ ...texts, keepalive: '30s' }, nodeFailure);
  const dark = ledger.rows.filter(({ cause }) => cause === 'node-off');
  expect(dark.length).toBeGreaterThan(0);
  expect(document.unattributed).toBe(0);
  expect(new Set(dark.map(({ showed }) => showed))).toEqual(new Set(['reset']));
  const slowest = (rows: typeof ledger.rows) => Math.max(...rows.map(({ away }) => away));
  // 30 s until the first probe, ten probes, a back-off, and what it takes until the cluster sends it elsewhere.
  expect(slowest(dark)).toBeLessThan(2 * 60_000);
  for (const { lost, detected } of dark) expect(detected - lost).toBeLessThanOrEqual(40_000);
  expect(slowest(without.ledger.rows)).toBeGreaterThan(10 * 60_000);
});
