import { expect, test } from 'vitest';
import { testPlayed } from '../test-document.ts';
import type { PlayedCell } from './ranking.ts';
import { advise } from './recommendation.ts';

const DRAIN = 'a gateway that drains on request';
const INGRESS = 'an ingress controller in the path';
const HOLDER = 'a connection holder in the path';
const CLIENTS = 'clients that open a second connection before they close the first';

/** A strategy under both policies; with Local it loses `collateral` connections. */
const both = (
  strategy: string,
  requires: readonly string[],
  found: Parameters<typeof testPlayed>[2] = {},
  collateral = 0,
): PlayedCell[] =>
  (['Cluster', 'Local'] as const).map((policy) =>
    testPlayed(
      strategy,
      { id: `${strategy}/${policy}`, requires, axes: { policy } },
      {
        ...found,
        collateral: policy === 'Local' ? collateral : 0,
      },
    ),
  );

function casesOf(cells: readonly PlayedCell[]) {
  const [advice] = advise(cells);
  return (advice?.recommendation.cases ?? []).map(({ when, pick, more, keepingToo, failing }) => ({
    when,
    pick: pick?.name ?? null,
    more: more.map(({ candidate }) => candidate.name),
    keepingToo: keepingToo.map(({ name }) => name),
    failing: failing.map(({ candidate, misses }) => [candidate.name, ...misses]),
  }));
}

test('what costs least effort is recommended, and what more effort would gain is told', () => {
  const [whatever] = casesOf([
    ...both('drain', [DRAIN], { mostAwayShare: 0.5 }),
    ...both('ingress', [INGRESS], { mostAwayShare: 0.5, allOnV2Millis: 900_000 }),
    ...both('holder', [HOLDER]),
    ...both('seamless', [CLIENTS]),
    ...both('slow drain', [DRAIN], { mostAwayShare: 0.5, allOnV2Millis: 900_000 }),
    ...both('rolling', [], { droppedTwice: 100, lossIn10SecondsShare: 1, mostAwayShare: 1 }),
  ]);
  expect(whatever).toEqual({
    when: '',
    pick: 'drain',
    more: ['holder', 'seamless'],
    keepingToo: ['ingress', 'slow drain'],
    failing: [['rolling', 'droppedTwice', 'lostWithin10Seconds']],
  });
});

test('where the policy decides, each policy gets an answer of its own', () => {
  const cases = casesOf([...both('drain', [DRAIN], {}, 500), ...both('ingress', [INGRESS])]);
  expect(cases.map(({ when, pick }) => [when, pick])).toEqual([
    ['', 'ingress'],
    ['policy Cluster', 'drain'],
    ['policy Local', 'ingress'],
  ]);
});

test('nothing is recommended where nothing keeps to what is wanted, or only with other clients', () => {
  const [whatever] = casesOf([
    ...both('rolling', [], { landedOnOld: 3 }),
    ...both('forgetful', [], { allOnV2Millis: null }),
    ...both('seamless', [CLIENTS]),
  ]);
  expect(whatever).toMatchObject({ pick: null, more: ['seamless'] });
  expect(whatever?.failing).toEqual([
    ['forgetful', 'convergence'],
    ['rolling', 'landedOnOld'],
  ]);
});
