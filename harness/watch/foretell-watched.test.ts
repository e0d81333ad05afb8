import { expect, test } from 'vitest';
import { sim } from '../../clusters/sim/sim.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { defaultAxes } from '../contracts/axes.ts';
import type { RolloutSeen } from '../contracts/cluster.ts';
import type { CellHeader, Event } from '../contracts/event.ts';
import { foretellWatched } from './foretell-watched.ts';

const cell: CellHeader = {
  id: 'release-1',
  strategy: 'watch',
  question: '',
  cluster: 'yours',
  evidence: 'measured',
  axes: defaultAxes({ clients: 60, pods: 3, backoff: 10_000 }),
  seed: 1,
  kind: 'watch',
  speed: 1,
  facts: {},
};
const begin = (what: Extract<RolloutSeen, { edge: 'begin' }>['what']): RolloutSeen => ({
  edge: 'begin',
  object: 'x',
  what,
});

async function foretold(seen: readonly RolloutSeen[], rollbackAfter?: number): Promise<Event[]> {
  const options = { predictor: sim, strategies: STRATEGIES, signal: new AbortController().signal };
  return Array.fromAsync(foretellWatched(cell, seen, rollbackAfter, options));
}

test.each([
  [['template'], 'rolling-update'],
  [['template', 'selector'], 'selector-flip'],
  [['policy'], 'policy-change'],
] as const)('%j is predicted as %s, with further seeds', async (what, strategy) => {
  const events = await foretold(what.map(begin));
  const header = events.find((event) => event.type === 'cell')?.cell;
  expect(header).toMatchObject({ strategy, predicts: 'release-1', cluster: 'sim', id: 'release-1@sim' });
  expect(events.filter(({ type }) => type === 'foretold')).toHaveLength(5);
});

test('what was undone in the middle is predicted as a rollback after that long', async () => {
  const events = await foretold([begin('template'), begin('undo')], 4000);
  expect(events.find((event) => event.type === 'cell')?.cell.axes.rollbackAfter).toBe(4000);
  expect(events.some((event) => event.type === 'step' && event.phase === 'rollback')).toBe(true);
});

test('where nobody saw what was released, nothing is predicted', async () => {
  expect(await foretold([])).toEqual([]);
  expect(await foretold([{ edge: 'end', object: 'x' }])).toEqual([]);
});
