import { expect, test } from 'vitest';
import type { Provider } from '../contracts/cluster.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { UsageError } from '../errors.ts';
import { planCells } from './plan.ts';

const strategy: Strategy = {
  name: 'some-strategy',
  question: '?',
  needs: [],
  requires: () => [],
  release: async () => {},
  rollback: async () => {},
};
const provider: Provider = {
  name: 'sim',
  description: '',
  evidence: 'modelled',
  offers: new Set(),
  refuses: () => undefined,
  preflight: async () => ({ usable: true, notes: [] }),
  open: () => Promise.reject(new Error('a plan opens nothing')),
  sweep: async () => ({ removed: [], unseen: [] }),
};
const plan = (texts: Parameters<typeof planCells>[0]['texts'], over: Partial<Strategy> = {}, repeat = 1) =>
  planCells({ strategies: [{ ...strategy, ...over }], providers: [provider], texts, seed: 5, repeat });

test('several values of several axes make a cell for each combination, named by what varies', () => {
  const cells = plan({ policy: 'Cluster,Local', nodes: '2,3', heartbeat: '30s' });
  expect(cells.map(({ id }) => id)).toEqual([
    'some-strategy/policy=Cluster/nodes=2',
    'some-strategy/policy=Cluster/nodes=3',
    'some-strategy/policy=Local/nodes=2',
    'some-strategy/policy=Local/nodes=3',
  ]);
  expect(cells[0]?.axes).toMatchObject({ policy: 'Cluster', nodes: 2, heartbeat: 30_000, backoff: 300_000 });
});

test('a comparison plays variants, and each release once more to be rolled back half-way', () => {
  const compared = (texts: Parameters<typeof plan>[0], over: Partial<Strategy> = {}) =>
    planCells({
      strategies: [{ ...strategy, defaults: { drain: 'abrupt' }, variants: { drain: 'paced' }, ...over }],
      providers: [provider],
      texts,
      seed: 5,
      repeat: 1,
      compare: true,
    }).map(({ id, axes, variant, rollsBack }) => [id, axes.drain, variant, rollsBack]);
  expect(compared({})).toEqual([
    ['some-strategy', 'paced', ['drain'], undefined],
    ['some-strategy/rolled-back', 'paced', ['drain'], { id: 'some-strategy', share: 0.5 }],
  ]);
  expect(compared({ drain: 'close-all', rollbackAfter: '2m' })).toEqual([
    ['some-strategy', 'close-all', undefined, undefined],
  ]);
  expect(compared({}, { kind: 'experiment' })).toHaveLength(1);
});

test('repeats get seeds of their own', () => {
  expect(plan({}, {}, 3).map(({ id, seed }) => [id, seed])).toEqual([
    ['some-strategy/seed=5', 5],
    ['some-strategy/seed=6', 6],
    ['some-strategy/seed=7', 7],
  ]);
});

test('every mistake is named at once, with its option, its value and what is allowed', () => {
  const texts = {
    policy: 'Local,Sometimes',
    nodes: '0',
    clients: 'many',
    heartbeat: '5 parsecs',
    drainOver: '3d',
  };
  try {
    plan(texts);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    const { mistakes } = error as UsageError;
    expect(mistakes).toHaveLength(5);
    expect(mistakes[0]).toContain('--policy Sometimes');
    expect(mistakes[0]).toContain('Cluster|Local');
    expect(mistakes[1]).toContain('--nodes 0');
    expect(mistakes[4]).toContain('--drain-over 3d');
  }
});

test('what the user types wins over what the strategy would choose', () => {
  expect(plan({}, { defaults: { pods: '4' } })[0]?.axes.pods).toBe(4);
  expect(plan({ pods: '2' }, { defaults: { pods: '4' } })[0]?.axes.pods).toBe(2);
});

test('a strategy that needs what the cluster does not offer is skipped with the reason', () => {
  expect(plan({}, { needs: ['ingress', 'mesh'] })[0]?.skip).toBe('sim does not offer ingress, mesh');
});
