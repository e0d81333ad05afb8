import { expect, test } from 'vitest';
import { sim } from '../../clusters/sim/sim.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { foretell } from './foretell.ts';
import { planCells } from './plan.ts';

async function samples(clients: string, policy = 'Local', signal = new AbortController().signal) {
  const [cell] = planCells({
    strategies: [STRATEGIES['seventy-thirty'] as Strategy],
    providers: [sim],
    texts: { clients, policy },
    seed: 3,
    repeat: 1,
  });
  if (cell === undefined) throw new Error('no cell');
  return Array.fromAsync(foretell(cell, sim, { name: 'test', directory: '.', signal }));
}

test('further seeds of a prediction each come to something of their own, and to the same when repeated', async () => {
  const first = await samples('200');
  expect(first.map(({ seed }) => seed)).toEqual([1, 2, 3, 4, 5].map((more) => 3 + more * 1_000_003));
  expect(first.every(({ cell, clients }) => cell === 'seventy-thirty' && clients === 200)).toBe(true);
  expect(new Set(first.map(({ dropped }) => dropped)).size).toBeGreaterThan(1);
  for (const { dropped, silent, collateral } of first) {
    expect(Math.abs(dropped / 200 - 2 / 3)).toBeLessThan(0.17);
    expect([silent, collateral]).toEqual([dropped, dropped]);
  }
  expect(await samples('200')).toEqual(first);
});

test('fewer seeds are played where clients are many, and none once the run is interrupted', async () => {
  expect(await samples('30000', 'Cluster')).toHaveLength(1);
  expect(await samples('200', 'Local', AbortSignal.abort())).toEqual([]);
});
