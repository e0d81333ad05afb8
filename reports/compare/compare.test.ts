import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HtmlValidate } from 'html-validate';
import { describe, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
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

  test('leaves out runs whose verdict is unknown', () => {
    const unknown = runs(around(999), { verdict: 'unknown' });
    const comparison = compareDocuments(runs(around(600)), [...runs(around(600)), ...unknown]);
    expect(comparison.verdict).toBe('pass');
    expect(comparison.cells[0]).toMatchObject({ baselineRuns: 10, candidateRuns: 10, leftOut: 10 });
    expect(compareDocuments(runs(around(600)), unknown).verdict).toBe('unknown');
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
