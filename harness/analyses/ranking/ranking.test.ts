import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { testDocument, testPlayed } from '../test-document.ts';
import type { Candidate, PlayedCell, Ranking } from './ranking.ts';
import { rank } from './ranking.ts';
import { RANKING_CRITERIA } from './ranking-criteria.ts';
import { advise } from './recommendation.ts';

const only = (rankings: Ranking[]): Ranking => {
  expect(rankings).toHaveLength(1);
  return rankings[0] as Ranking;
};
const named = ({ candidates }: Ranking, name: string): Candidate => {
  const found = candidates.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no ${name} among ${candidates.map((one) => one.name)}`);
  return found;
};

test('each criterion takes the worst of all conditions and says where it was', () => {
  const ranking = only(
    rank([
      testPlayed('flip', { id: 'a', axes: { policy: 'Cluster' } }, { collateral: 0, extraPods: 2 }),
      testPlayed('flip', { id: 'b', axes: { policy: 'Local' } }, { collateral: 500, extraPods: 1 }),
    ]),
  );
  expect(ranking.conditions).toEqual(['policy Cluster', 'policy Local']);
  expect(named(ranking, 'flip').values).toMatchObject({
    collateral: { value: 0.5, where: 'policy Local' },
    extraPods: { value: 2, where: 'policy Cluster' },
    rollback: { value: null },
  });
});

test('the rollback cost is the disconnects of the cell that was rolled back, per client', () => {
  const ranking = only(
    rank([
      testPlayed('flip', { id: 'a' }),
      testPlayed(
        'flip',
        { id: 'a/rolled-back', rollsBack: 'a', axes: { rollbackAfter: 90_000 } },
        { disconnects: 1500 },
      ),
    ]),
  );
  expect(named(ranking, 'flip').values.rollback.value).toBe(1.5);
});

test('experiments, predictions and releases that the user interrupted are not ranked', () => {
  expect(
    rank([
      testPlayed('seventy-thirty', { kind: 'experiment' }),
      testPlayed('flip', { predicts: 'flip' }),
      testPlayed('flip', { axes: { rollbackAfter: 60_000 } }),
    ]),
  ).toEqual([]);
});

test('settings in which the cells of a strategy differ make candidates of their own, conditions do not', () => {
  const ranking = only(
    rank([
      testPlayed('handoff', { id: 'a', axes: { handoffBy: 'holder' } }),
      testPlayed('handoff', { id: 'b', axes: { handoffBy: 'worker' } }),
      testPlayed('flip', { id: 'c', axes: { retire: 'abrupt' } }),
      testPlayed('drain', { id: 'd', axes: { retire: 'abrupt' }, variant: ['retire'] }),
    ]),
  );
  expect(ranking.candidates.map(({ name }) => name).sort()).toEqual([
    'drain (retire abrupt)',
    'flip',
    'handoff (handoffBy holder)',
    'handoff (handoffBy worker)',
  ]);
});

test('what was skipped, what cannot be believed and what misses a condition is unknown, with the reason', () => {
  const local = { policy: 'Local' } as const;
  const cluster = { policy: 'Cluster' } as const;
  const mesh = testPlayed('mesh').header;
  const { candidates, unknown } = only(
    rank(
      [
        testPlayed('flip', { id: 'a', axes: local }),
        testPlayed('flip', { id: 'b', axes: cluster }),
        testPlayed('drain', { id: 'c', axes: local }),
        testPlayed(
          'doubted',
          { id: 'd', axes: local },
          { verdict: 'unknown', why: ['a control client was dropped'] },
        ),
        testPlayed('doubted', { id: 'e', axes: cluster }),
      ],
      [{ header: mesh, why: 'this cluster does not offer mesh' }],
    ),
  );
  expect(candidates.map(({ name }) => name)).toEqual(['flip']);
  expect(unknown).toEqual([
    { name: 'doubted', why: 'a control client was dropped (policy Local)' },
    { name: 'drain', why: 'not played with policy Cluster' },
    { name: 'mesh', why: 'this cluster does not offer mesh' },
  ]);
});

test('each cluster has a ranking of its own', () => {
  const rankings = rank([testPlayed('flip', { cluster: 'two' }), testPlayed('flip', { cluster: 'one' })]);
  expect(rankings.map(({ cluster }) => cluster)).toEqual(['one', 'two']);
});

test('a candidate is dominated by one that is worse in nothing, better in something and requires nothing else', () => {
  const room = 'room for twice the pods';
  const ranking = only(
    rank([
      testPlayed('good', { id: 'a', requires: [room] }, { mostAwayShare: 0.3 }),
      testPlayed('worse', { id: 'b', requires: [room] }, { mostAwayShare: 0.6 }),
      testPlayed(
        'needy',
        { id: 'c', requires: [room, 'an ingress controller in the path'] },
        { mostAwayShare: 0.3 },
      ),
      testPlayed('frugal', { id: 'd' }, { mostAwayShare: 1 }),
    ]),
  );
  expect(named(ranking, 'worse').dominatedBy).toEqual([{ by: 'good', betterIn: ['mostAway'], spares: [] }]);
  expect(named(ranking, 'needy').dominatedBy).toEqual([
    { by: 'good', betterIn: [], spares: ['an ingress controller in the path'] },
  ]);
  // It requires less than all others, so that choosing it is a trade.
  expect(named(ranking, 'frugal').dominatedBy).toEqual([]);
});

test('a difference that chance alone could make is none, but any client at all is more than none', () => {
  const ranking = only(
    rank([
      testPlayed('a', { id: 'a' }, { mostAwayShare: 0.481 }),
      testPlayed('b', { id: 'b' }, { mostAwayShare: 0.499 }),
      testPlayed('c', { id: 'c' }, { mostAwayShare: 0.481, droppedTwice: 1 }),
    ]),
  );
  expect(named(ranking, 'b').dominatedBy).toEqual([]);
  expect(named(ranking, 'c').dominatedBy.map(({ by }) => by)).toEqual(['a', 'b']);
});

const REQUIRED = [
  'room for twice the pods',
  'a gateway that drains on request',
  'an ingress controller in the path',
  'a connection holder in the path',
  'clients that reconnect when a message asks them to',
];

/** Played strategies with a few coarse values each, so that ties and dominance are common. */
const runs: fc.Arbitrary<PlayedCell[]> = fc
  .array(
    fc.record({
      requires: fc.subarray(REQUIRED),
      twice: fc.constantFrom(0, 0, 1, 300),
      collateral: fc.constantFrom(0, 0, 500),
      old: fc.constantFrom(0, 0, 20),
      loss: fc.constantFrom(0.1, 0.5, 0.9),
      away: fc.constantFrom(0, 0.5, 1),
      peak: fc.constantFrom(0, 3, 8),
      converged: fc.constantFrom(60_000, 600_000, null),
      extraPods: fc.integer({ min: 0, max: 2 }),
      rolledBack: fc.option(fc.constantFrom(0, 900, 2000)),
      policies: fc.constantFrom(
        ['Cluster', 'Local'] as const,
        ['Cluster', 'Local'] as const,
        ['Local'] as const,
      ),
      verdict: fc.constantFrom('pass', 'fail', 'fail', 'unknown' as const),
    }),
    { maxLength: 8 },
  )
  .map((specs) =>
    specs.flatMap((spec, number) =>
      spec.policies.flatMap((policy) => {
        const id = `s${number}/${policy}`;
        const played = testPlayed(
          `s${number}`,
          { id, requires: spec.requires, axes: { policy } },
          {
            droppedTwice: spec.twice,
            collateral: policy === 'Local' ? spec.collateral : 0,
            landedOnOld: spec.old,
            lossIn10SecondsShare: spec.loss,
            mostAwayShare: spec.away,
            peakReconnectsPer10Seconds: spec.peak,
            allOnV2Millis: spec.converged,
            extraPods: spec.extraPods,
            verdict: spec.verdict,
          },
        );
        if (spec.rolledBack === null) return [played];
        const header = { ...played.header, id: `${id}/rolled-back`, rollsBack: id };
        return [played, { header, document: testDocument(header, { disconnects: spec.rolledBack }) }];
      }),
    ),
  );

const shuffled = runs.chain((cells) =>
  fc.tuple(fc.constant(cells), fc.shuffledSubarray(cells, { minLength: cells.length })),
);

test('the order of the cells changes nothing', () => {
  fc.assert(
    fc.property(shuffled, ([cells, others]) => {
      expect(advise(others)).toEqual(advise(cells));
    }),
  );
});

test('dominance is a strict partial order, and somebody is always undominated', () => {
  fc.assert(
    fc.property(runs, (cells) => {
      for (const { candidates } of rank(cells)) {
        const by = new Map(
          candidates.map(({ name, dominatedBy }) => [name, dominatedBy.map((one) => one.by)] as const),
        );
        for (const [name, above] of by)
          for (const one of above) {
            expect(by.get(one)).not.toContain(name);
            for (const further of by.get(one) ?? []) expect(above).toContain(further);
          }
        if (candidates.length > 0) expect(candidates[0]?.dominatedBy).toEqual([]);
      }
    }),
  );
});

test('a dominated release stands after what dominates it, and is never recommended', () => {
  fc.assert(
    fc.property(runs, (cells) => {
      for (const { candidates, recommendation } of advise(cells)) {
        const place = new Map(candidates.map(({ name }, index) => [name, index]));
        for (const { name, dominatedBy } of candidates)
          for (const { by } of dominatedBy) expect(place.get(by)).toBeLessThan(place.get(name) as number);
        for (const { pick, more } of recommendation.cases)
          for (const candidate of [pick, ...more.map((one) => one.candidate)])
            expect(candidate?.dominatedBy ?? []).toEqual([]);
      }
    }),
  );
});

test('what is recommended was played everywhere, keeps to all wants and needs no other clients', () => {
  fc.assert(
    fc.property(runs, (cells) => {
      for (const { recommendation, unknown } of advise(cells))
        for (const { pick, when } of recommendation.cases) {
          if (pick === null) continue;
          expect(pick.values).toMatchObject({
            droppedTwice: { value: 0 },
            collateral: { value: 0 },
            landedOnOld: { value: 0 },
          });
          expect(pick.values.lostWithin10Seconds.value).toBeLessThanOrEqual(0.5);
          expect(pick.values.convergence.value).not.toBe('never');
          expect(pick.requires).not.toContain('clients that reconnect when a message asks them to');
          if (when === '') expect(unknown.map(({ name }) => name)).not.toContain(pick.name);
        }
    }),
  );
});

test('whoever is best in a criterion has no better one beside it', () => {
  fc.assert(
    fc.property(runs, (cells) => {
      for (const { candidates } of rank(cells))
        for (const { bestIn, values } of candidates)
          for (const name of bestIn)
            for (const other of candidates)
              expect(other.values[name].level).toBeGreaterThanOrEqual(values[name].level);
    }),
  );
});

test('every criterion tells nothing from unknown, and less from more', () => {
  const { document } = testPlayed('any');
  for (const { level, unit, onlyLimited } of RANKING_CRITERIA) {
    const step = unit === 'time' ? 600_000 : 1;
    expect(level(0, document)).toBe(0);
    expect(level(step / 1000, document)).toBeGreaterThan(0);
    expect(level(step, document)).toBeLessThan(level(4 * step, document));
    expect(level(null, document)).toBe(onlyLimited ? 0 : Number.POSITIVE_INFINITY);
  }
});
