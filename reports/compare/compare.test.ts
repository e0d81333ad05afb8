import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HtmlValidate } from 'html-validate';
import { describe, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { Random } from '../../harness/statistics/random.ts';
import { resultDocument } from '../result/result-document.ts';
import { HOSTILE, testRun } from '../stored/test-run.ts';
import { compareDocuments, enoughRuns, holm } from './compare.ts';
import { comparisonHtml } from './comparison-html.ts';
import { comparisonMarkdown } from './comparison-markdown.ts';
import { readDocuments } from './read-documents.ts';
import { METRICS } from './thresholds.ts';

const [template] = resultDocument(testRun([[{ axes: { clients: 100 } }, 'fail-open']])).cells as [
  CellDocument,
];

/** Runs of one cell, one for each number of dropped clients out of 1,000. */
const runs = (dropped: readonly number[], changes: Partial<CellDocument> = {}): CellDocument[] =>
  dropped.map((count, seed) => ({
    ...template,
    clients: 1000,
    dropped: count,
    collateral: 0,
    timeAway: null,
    droppedShare: count / 1000,
    seed,
    ...changes,
  }));
const around = (middle: number, count = 10) =>
  Array.from({ length: count }, (_, index) => middle + 7 * (index % 3) - 7);
const droppedOf = ({ cells }: ReturnType<typeof compareDocuments>) =>
  cells[0]?.metrics.find(({ metric }) => metric === 'dropped');

describe('a comparison', () => {
  test('of a run with itself passes', () => {
    const comparison = compareDocuments(runs(around(600)), runs(around(600)));
    expect(comparison.verdict).toBe('pass');
    expect(droppedOf(comparison)).toMatchObject({ change: 'same', difference: 0 });
  });

  test('finds a rise of five points, and calls a fall better', () => {
    const worse = compareDocuments(runs(around(600)), runs(around(650)));
    expect(worse.verdict).toBe('fail');
    expect(droppedOf(worse)).toMatchObject({ change: 'worse', tolerated: 0.01 });
    expect(droppedOf(worse)?.difference).toBeCloseTo(0.05, 9);
    const better = compareDocuments(runs(around(650)), runs(around(600)));
    expect(better.verdict).toBe('pass');
    expect(droppedOf(better)?.change).toBe('better');
  });

  test('tolerates what its thresholds tolerate, however sure it is', () => {
    const comparison = compareDocuments(runs(new Array(12).fill(600)), runs(new Array(12).fill(609)));
    expect(droppedOf(comparison)?.change).toBe('same');
    expect(droppedOf(comparison)?.probability).toBeLessThan(0.0001);
  });

  test('says when there are not enough runs, and how many would do', () => {
    const comparison = compareDocuments(runs([600]), runs([900]));
    expect(comparison.verdict).toBe('unknown');
    expect(droppedOf(comparison)?.change).toBe('not enough runs');
    const needed = comparison.runsNeeded;
    expect(comparison.why[0]).toContain(`${needed} a side would do`);
    expect(compareDocuments(runs(around(600, needed)), runs(around(900, needed))).verdict).toBe('fail');
  });

  test('leaves out runs whose verdict is unknown, says how many of each side and why, and passes when they are few', () => {
    const unknown = (count: number, why: string) =>
      runs(around(999, count), { verdict: 'unknown', why: [why, 'and more'] });
    const comparison = compareDocuments(
      [...runs(around(600, 9)), ...unknown(1, 'the harness lagged')],
      [
        ...runs(around(600)),
        ...unknown(2, "the log breaks off before the cell's end"),
        ...unknown(1, 'broken'),
      ],
    );
    expect(comparison.verdict).toBe('pass');
    expect(comparison.cells[0]).toMatchObject({ baselineRuns: 9, candidateRuns: 10, leftOut: 4 });
    expect(comparison.why).toContain(
      "3 of 13 runs of the candidate are left out: 3 unknown (2 × the log breaks off before the cell's end, 1 × broken)",
    );
    // The three that the candidate has more are told as well; a longer candidate is no doubt.
    expect(comparison.why).toContain(
      '4 of 13 runs of the baseline are left out: 1 unknown (1 × the harness lagged), 3 not there',
    );
    const half = compareDocuments(runs(around(600)), [...runs(around(600)), ...unknown(10, 'broken')]);
    expect(half.cells[0]).toMatchObject({ baselineRuns: 10, candidateRuns: 10, leftOut: 10 });
    expect(half.verdict).toBe('unknown');
    expect(
      compareDocuments([...runs(around(600)), ...unknown(10, 'broken')], runs(around(600))).verdict,
    ).toBe('unknown');
    expect(compareDocuments(runs(around(600)), unknown(10, 'broken')).verdict).toBe('unknown');
  });

  test('says which of the seeds of the baseline the candidate lacks, and is unknown when these are many', () => {
    const baseline = runs(around(600, 20));
    const few = compareDocuments(baseline, baseline.slice(0, 18));
    expect(few.verdict).toBe('pass');
    expect(few.why).toContain('2 of 20 runs of the candidate are left out: 2 not there (seeds 18, 19)');
    const many = compareDocuments(baseline, baseline.slice(0, 15));
    expect(many.verdict).toBe('unknown');
    expect(many.why.join()).toContain('5 not there (seeds 15, 16, 17 and 2 more)');
    expect(many.why.join()).toContain(
      'of a cell 25 % of the runs or more are left out: seventy-thirty on sim',
    );
    // What is worse with the runs that are there stays worse.
    const worse = compareDocuments(baseline, runs(around(900, 12)));
    expect(worse.verdict).toBe('fail');
    expect(worse.why.join()).toContain('8 of 20 runs of the candidate are left out');
    // As many runs of other seeds, and more of them, are no lack.
    const others = compareDocuments(
      baseline,
      baseline.map((document) => ({ ...document, seed: document.seed + 100 })),
    );
    expect(others.why).toEqual(['none of 6 comparisons is worse than tolerated']);
    expect(compareDocuments(baseline.slice(0, 10), baseline).verdict).toBe('pass');
  });

  test('finds 600 to 900 dropped of 1,000 whatever the number of runs, the surer the more there are', () => {
    let before = 1;
    for (const count of [8, 12, 20, 21, 25, 40, 100]) {
      const comparison = compareDocuments(runs(around(600, count)), runs(around(900, count)));
      expect(comparison.verdict).toBe('fail');
      expect(droppedOf(comparison)?.change).toBe('worse');
      const probability = droppedOf(comparison)?.probability as number;
      expect(probability).toBeLessThan(count < 12 ? 1e-4 : count < 20 ? 1e-6 : 1e-11);
      expect(probability).toBeLessThan(before);
      before = probability;
    }
  });

  test('finds a small rise ever more often the more runs there are', () => {
    const random = new Random('power');
    const drawn = (middle: number, count: number) =>
      runs(Array.from({ length: count }, () => middle + random.integer(-60, 61)));
    const found = [8, 15, 25, 40, 100].map((count) => {
      let failed = 0;
      for (let trial = 0; trial < 12; trial++)
        if (compareDocuments(drawn(600, count), drawn(650, count)).verdict === 'fail') failed++;
      return failed;
    });
    expect(found).toEqual([...found].sort((a, b) => a - b));
    expect(found.at(-1)).toBe(12);
  });

  test('tells cells apart by strategy, cluster and axes, and misses those that are gone', () => {
    const other = runs(around(100), { strategy: 'selector-flip', id: 'flip' });
    const comparison = compareDocuments([...runs(around(600)), ...other], runs(around(600)));
    expect(comparison.missing).toEqual(['flip']);
    expect(comparison.verdict).toBe('unknown');
    expect(compareDocuments(runs(around(600)), [...runs(around(600)), ...other]).added).toEqual(['flip']);
    expect(compareDocuments(runs(around(600)), other).why).toContain('the runs have no cell in common');
  });

  test('is reported as valid HTML and Markdown in which nothing from outside is markup', async () => {
    const hostile = { strategy: HOSTILE, cluster: HOSTILE };
    const comparison = compareDocuments(runs(around(600), hostile), runs(around(700), hostile));
    const names = { baseline: HOSTILE, candidate: 'b' };
    const page = comparisonHtml(comparison, names);
    expect(page).not.toContain('<img');
    const report = await new HtmlValidate({
      extends: ['html-validate:recommended'],
      rules: { 'no-inline-style': 'off', 'no-trailing-whitespace': 'off' },
    }).validateString(page);
    expect(report.results.flatMap(({ messages }) => messages.map(({ message }) => message))).toEqual([]);
    expect(comparisonMarkdown(comparison, names)).not.toContain('<img');
    expect(comparisonMarkdown(comparison, names)).toContain('❌ worse');
  });
});

describe('the level of all tests together', () => {
  test('is kept step by step', () => {
    expect([...holm([0.04, 0.001, 0.02], 0.05)].sort()).toEqual([1, 2, 0].sort());
    expect([...holm([0.04, 0.03, 0.02], 0.05)]).toEqual([]);
  });

  test('asks for more runs the more is tested', () => {
    expect(enoughRuns(0.05)).toBe(3);
    expect(enoughRuns(0.005 / 42)).toBe(8);
  });
});

test('runs are read from a folder, a report or a folder of runs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-compare-'));
  try {
    const one = mkdtempSync(join(folder, 'run-'));
    writeFileSync(join(one, 'report.json'), JSON.stringify(resultDocument(testRun([[{}, 'calm']]))));
    expect(await readDocuments(one)).toHaveLength(1);
    expect(await readDocuments(folder)).toHaveLength(1);
    await expect(readDocuments(join(folder, 'nothing'))).rejects.toThrow(/holds neither a run/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every metric is better when it is less and has a tolerance', () => {
  for (const { absolute, relative } of Object.values(METRICS)) expect(absolute + relative).toBeGreaterThan(0);
});
