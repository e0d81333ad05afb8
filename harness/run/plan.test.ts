import { expect, test } from 'vitest';
import type { Provider } from '../contracts/cluster.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { UsageError } from '../errors.ts';
import { planCells, warningLines } from './plan.ts';

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
  expect(plan({}, { needs: ['traefik', 'mesh'] })[0]?.skip).toBe('sim does not offer traefik, mesh');
});

/** All that is wrong, a sentence each. */
function mistakesOf(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof UsageError) return error.mistakes;
    throw error;
  }
  return [];
}

test('what the API server would refuse is refused before anything is made, in its words', () => {
  expect(mistakesOf(() => plan({ maxSurge: '0', maxUnavailable: '0%' }))).toEqual([
    '--max-unavailable 0%: may not be 0 when --max-surge is 0',
  ]);
  expect(mistakesOf(() => plan({ maxSurge: '0,1', maxUnavailable: '1' }))).toEqual([]);
  expect(mistakesOf(() => plan({ maxSurge: '150%', maxUnavailable: '100%' }))).toEqual([]);
  const [percent, count, word] = mistakesOf(() => plan({ maxUnavailable: '150%,2147483648,some' }));
  expect(percent).toContain('--max-unavailable 150%: must not be greater than 100%');
  expect(count).toContain('--max-unavailable 2147483648: must be at most 2147483647');
  expect(word).toContain('--max-unavailable some: must be a count or a percentage');
});

test('the proxy and its API follow from each other, and its own times from it, unless they are typed', () => {
  const of = (texts: Parameters<typeof plan>[0]) =>
    plan(texts).map(({ axes: { ingress, ingressApi, workerShutdownTimeout, proxyReadTimeout } }) => [
      ingress,
      ingressApi,
      workerShutdownTimeout,
      proxyReadTimeout,
    ]);
  expect(of({})).toEqual([['ingress-nginx', 'ingress', 240_000, 60_000]]);
  expect(of({ ingressApi: 'gateway-api' })).toEqual([
    ['nginx-gateway-fabric', 'gateway-api', undefined, 60_000],
  ]);
  expect(of({ ingress: 'envoy-gateway,haproxy-ingress', workerShutdownTimeout: '1m,never' })).toEqual([
    ['envoy-gateway', 'gateway-api', 60_000, 300_000],
    ['envoy-gateway', 'gateway-api', undefined, 300_000],
    ['haproxy-ingress', 'ingress', 60_000, 3_600_000],
    ['haproxy-ingress', 'ingress', undefined, 3_600_000],
  ]);
});

test('a proxy with the other API, and a canary that its API cannot write, are refused', () => {
  const heeds = ['ingress', 'ingressApi'] as const;
  const texts = { ingress: 'traefik', ingressApi: 'gateway-api' };
  expect(mistakesOf(() => plan(texts))).toEqual([]);
  expect(mistakesOf(() => plan(texts, { heeds }))).toEqual([
    '--ingress-api gateway-api: traefik is played by its ingress; choose --ingress nginx-gateway-fabric, envoy-gateway, istio, or leave the API to it',
  ]);
  const [weights] = mistakesOf(() => plan({ ingress: 'traefik' }, { heeds: [...heeds, 'promote'] }));
  expect(weights).toContain('--ingress traefik: some-strategy gives a share of new connections');
});

test('weights that do not ascend are refused', () => {
  expect(mistakesOf(() => plan({ canarySteps: '5-25-50-100,100' }))).toEqual([]);
  const mistakes = mistakesOf(() => plan({ canarySteps: '50-5-100,5-5-100,5-50' }));
  expect(mistakes).toHaveLength(3);
  expect(mistakes[0]).toContain('--canary-steps 50-5-100: each weight must be greater than the one before');
});

test('pods for which the nodes have no room are refused, where onedrop makes the nodes', () => {
  expect(mistakesOf(() => plan({ pods: '110', nodes: '1' }))).toEqual([]);
  expect(mistakesOf(() => plan({ pods: '111', nodes: '1' }))).toEqual([
    '--pods 111: some-strategy needs room for 111 pods, and 1 node takes 110',
  ]);
  const twice = { requires: () => ['room for twice the pods'] as const };
  expect(mistakesOf(() => plan({ pods: '111', nodes: '2' }, twice))).toHaveLength(1);
});

test('more cells than a run may have are refused at once, with their number', () => {
  const numbers = (most: number) => Array.from({ length: most }, (_, index) => index + 1).join(',');
  const many = {
    nodes: numbers(100),
    clients: numbers(5900),
    proxy: 'iptables,ipvs',
    policy: 'Cluster,Local',
  };
  expect(
    mistakesOf(() => plan({ ...many, backoff: '1s,2s,3s,4s,5s', heartbeat: '10s,20s,30s,40s,50s' })),
  ).toEqual([
    '59,000,000 cells: a run may have 10,000 at most; choose fewer strategies, clusters, values of axes or repeats',
  ]);
  expect(mistakesOf(() => plan({}, {}, 1e9))[0]).toContain('1,000,000,000 cells');
  expect(plan({}, {}, 10_000)).toHaveLength(10_000);
});

test('names that every object has are no axes', () => {
  for (const name of ['toString', 'constructor', 'hasOwnProperty'])
    expect(plan({ [name]: 'x' })).toHaveLength(1);
});

test('a cell knows its warnings, those that no strategy heeds among them', () => {
  const ignores = new Map([['canarySteps', ['a-canary', 'a-mesh']]] as const);
  const warned = (over: Partial<Strategy>) =>
    plan({ canarySteps: '5-100', drain: 'paced' }, { heeds: ['maxSurge'], ...over }).map(
      ({ warnings }) => warnings,
    );
  expect(warned({ ignores })).toEqual([
    [
      expect.stringContaining('SIGKILL ends about 90 %'),
      '--canary-steps 5-100 changes nothing: only a-canary and a-mesh heed it.',
    ],
  ]);
  expect(warned({})).toEqual([[expect.stringContaining('SIGKILL')]]);
  expect(warningLines(plan({ drain: 'paced,close-all' }, { heeds: ['maxSurge'] }))).toEqual([
    expect.stringMatching(/^warning: some-strategy\/drain=paced: The paced drain/),
  ]);
});
