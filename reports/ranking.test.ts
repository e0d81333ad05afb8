import { expect, test } from 'vitest';
import { type Advice, advise } from '../harness/analyses/ranking/recommendation.ts';
import { testPlayed } from '../harness/analyses/test-document.ts';
import { adviceOf, rankingDocument } from './result/advice.ts';
import { resultDocument } from './result/result-document.ts';
import { rankingSection } from './sections/ranking-section.ts';
import { HOSTILE, testRun } from './stored/test-run.ts';
import { summaryMarkdown } from './summary.ts';
import { resultTable } from './terminal.ts';
import { recommendedLines, showValue, situation, toldCases, tradeLine } from './words/ranking-words.ts';

const DRAIN = 'a gateway that drains on request';
const HOLDER = 'a connection holder in the path';

const ADVICE = advise(
  (['Cluster', 'Local'] as const).flatMap((policy) => [
    testPlayed(
      'drain',
      { id: `drain/${policy}`, requires: [DRAIN], axes: { policy } },
      { mostAwayShare: 0.5, collateral: policy === 'Local' ? 495 : 0, extraPods: 2 },
    ),
    testPlayed('holder', { id: `holder/${policy}`, requires: [HOLDER], axes: { policy } }),
    testPlayed(
      'rolling',
      { id: `rolling/${policy}`, axes: { policy } },
      { droppedTwice: 100, mostAwayShare: 1, lossIn10SecondsShare: 1, allOnV2Millis: 30_000 },
    ),
  ]),
  [{ header: testPlayed('mesh').header, why: 'this cluster does not offer mesh' }],
)[0] as Advice;

test('the recommendation says what, with which numbers, what it takes, and why not the others', () => {
  expect(toldCases(ADVICE.recommendation).map(recommendedLines)).toEqual([
    [
      'Whatever the policy is: holder: 0 % of the clients dropped more than once, 0 % lost within ten seconds, 0 % away at once, a peak of 0/s reconnects, all on v2 after 1m, +0 pods; it requires a connection holder in the path. Nothing but another gateway keeps to all of that',
      'Not, because of dropped more than once: rolling 10.0 %',
      'Not, because of collateral drops: drain 49.5 %',
    ],
    [
      'With policy Cluster: drain: 0 % of the clients dropped more than once, 0 % lost within ten seconds, 50.0 % away at once, a peak of 0/s reconnects, all on v2 after 1m, +2 pods; it requires a gateway that drains on request',
      'If the gateway can be built otherwise: holder: away at once 0 % instead of 50.0 %, extra pods +0 instead of +2; it requires a connection holder in the path',
      'Not, because of dropped more than once: rolling 10.0 %',
    ],
  ]);
});

test('the situation names the conditions and what 0 % of so many clients means', () => {
  expect(situation(ADVICE)).toContain('Worst of: policy Cluster; policy Local. Played with nodes 3, pods 1,');
  expect(situation(ADVICE)).toContain('0 % of 1,000 clients is less than 0.4 % with 95 % certainty.');
});

test('a trade is told with what it wins and what it pays', () => {
  const rolling = ADVICE.candidates.find(({ name }) => name === 'rolling');
  expect(rolling && tradeLine(rolling, ADVICE.candidates)).toBe(
    'among the best in all on v2 after (30s); pays with dropped more than once (10.0 %), lost within 10 s (100 %) and away at once (100 %); it requires nothing',
  );
});

test('values are shown in their units, unknown ones as a dash', () => {
  expect(showValue({ unit: 'per client' }, 0)).toBe('0.00');
  expect(showValue({ unit: 'per client' }, 0.001)).toBe('< 0.01');
  expect(showValue({ unit: 'time' }, 'never')).toBe('never');
  expect(showValue({ unit: 'share' }, null)).toBe('–');
});

test('a run of several releases is ranked in every report; a run of one is not', () => {
  const run = testRun([
    [{ id: 'rolling-update', strategy: 'rolling-update', axes: { clients: 100, pods: 2 } }, 'rolling'],
    [{ id: 'paced-drain', strategy: 'paced-drain', axes: { clients: 100, pods: 2 } }, 'paced'],
    [
      {
        id: 'paced-drain/rolled-back',
        strategy: 'paced-drain',
        rollsBack: 'paced-drain',
        axes: { clients: 100, pods: 2 },
      },
      'paced',
    ],
    [{ id: 'service-mesh', strategy: 'service-mesh' }, 'skipped'],
  ]);
  expect(resultTable(run)).toContain('Ranking on sim');
  expect(resultTable(run)).toContain('service-mesh: unknown: the cluster does not offer it');
  expect(summaryMarkdown(run)).toContain('### Which release to choose');
  const { cells, rolledBack, ranking } = resultDocument(run);
  expect(cells.map(({ id }) => id)).toEqual(['rolling-update', 'paced-drain']);
  expect(rolledBack.map(({ id }) => id)).toEqual(['paced-drain/rolled-back']);
  expect(ranking[0]?.unknown).toEqual([{ name: 'service-mesh', why: 'the cluster does not offer it' }]);
  expect(adviceOf(testRun([[{ axes: { clients: 50 } }, 'rolling']]))).toEqual([]);
});

test('the ranking as data names candidates and holds nothing that JSON cannot', () => {
  const document = rankingDocument(ADVICE);
  expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  expect(document.recommendation[0]).toMatchObject({ when: '', pick: 'holder', more: [] });
});

test('text from outside cannot become markup in the ranking', () => {
  const [advice] = advise(
    [testPlayed(HOSTILE, { requires: [HOSTILE] }), testPlayed('other')],
    [{ header: testPlayed('third').header, why: HOSTILE }],
  );
  const text = String(rankingSection(advice === undefined ? [] : [advice]));
  expect(text).not.toContain('<img');
  expect(text).not.toContain('</script>');
});
