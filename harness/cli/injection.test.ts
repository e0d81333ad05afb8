import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { compareDocuments } from '../../reports/compare/compare.ts';
import { comparisonHtml } from '../../reports/compare/comparison-html.ts';
import { comparisonMarkdown } from '../../reports/compare/comparison-markdown.ts';
import { resultDocument } from '../../reports/result/result-document.ts';
import { RunReader, type StoredRun } from '../../reports/stored/stored-run.ts';
import { testRun } from '../../reports/stored/test-run.ts';
import { resultTable } from '../../reports/terminal.ts';
import { visible } from '../../reports/words/plain-text.js';
import { writeReports } from '../../reports/write-reports.ts';
import { testCell, testLog } from '../analyses/test-log.ts';
import type { Timed } from '../contracts/event.ts';
import type { PlannedCell } from '../run/plan.ts';
import { createProgress } from './live/progress.ts';

const TITLE = '\u001b]0;owned\u0007';
const MEAN = [
  ...[
    TITLE,
    '\u001b[2J',
    '\u009b31m',
    '\u0000',
    '\r',
    '\n::error::x',
    '\u007f',
    '\u202e',
    '\u2028',
    '\u0008',
  ],
  ...[
    '<img src=x onerror=alert(1)>',
    '</script><script>',
    '"',
    "'",
    '`',
    ',',
    '|',
    '@all',
    '&lt;',
    ']](',
    '-->',
  ],
];
const OPENINGS = ['', '=1+1', '+1', '-1', '@sum', '\t=1', ' =1', '\n=1', '\uff1d1', '"=1'];
/** What a gateway, its pods, its closes and a stored log can say freely. */
const SAID =
  /^(pod|version|node|reason|detail|why|text|name|strategy|question|target|commit|machine|command)$/;

const hostile = fc
  .tuple(
    fc.constantFrom(...OPENINGS),
    fc.array(fc.oneof(fc.constantFrom(...MEAN), fc.string({ unit: 'binary' }))),
  )
  .map(([opening, parts]) => `${opening}${parts.join('')}${TITLE}`);

/** A run in which everything that somebody else says is led in by hostile text. */
function poisoned(text: string, predicted: boolean): StoredRun {
  const poison = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value), (key, each: unknown) =>
      typeof each === 'string' && SAID.test(key) ? `${text}${each}` : each,
    ) as T;
  const { run, header } = testRun([]);
  const reader = new RunReader();
  reader.add(header);
  for (const story of ['rolling', 'fail-open'] as const) {
    const id = `${text}${story}`;
    const cell = poison(testCell({ id, facts: { [text]: text }, axes: { clients: 12, pods: 2 } }));
    const scaled: Timed = { at: 100_000, type: 'autoscaler', target: 'v1', current: 2, desired: 3, why: '' };
    const events = [...testLog(cell, story), scaled].sort((a, b) => a.at - b.at);
    reader.add({ type: 'cell', cell: predicted ? { ...cell, evidence: 'measured' } : cell });
    for (const event of events) reader.add(poison(event));
  }
  reader.add({ type: 'skipped', cell: testCell({ id: `${text}skipped` }), why: text });
  return reader.result(poison(run));
}

/** The first place at which a text holds what a terminal would obey, with what stands around it; undefined: none. */
function raw(text: string): string | undefined {
  const shown = visible(text);
  const at = [...text].findIndex((_, index) => text[index] !== shown[index]);
  return at < 0 ? undefined : JSON.stringify(text.slice(Math.max(0, at - 40), at + 40));
}

test('whatever a gateway, its pods and its closes are called, no format gives it out raw', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-injection-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await fc.assert(
    fc.asyncProperty(hostile, fc.boolean(), async (text, predicted) => {
      const run = poisoned(text, predicted);
      await writeReports(run, folder);
      const { cells } = resultDocument(run);
      const comparison = compareDocuments(cells, cells);
      const names = { baseline: text, candidate: text };
      const formats = [
        ...readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const),
        ['terminal', resultTable(run)] as const,
        ['comparison.md', comparisonMarkdown(comparison, names)] as const,
        ['comparison.html', comparisonHtml(comparison, names)] as const,
      ];
      expect(formats.map(([name]) => name)).toContain('ledger.csv');
      // Chart.js inside the page is our own text.
      for (const [name, content] of formats)
        if (name === 'report.html') expect(content).not.toContain(TITLE);
        else expect([name, raw(content.replaceAll('\r\n', '\n'))]).toEqual([name, undefined]);
      // Within a code span Markdown takes nothing for markup.
      for (const [name, content] of formats)
        if (/\.(html|md|xml)$/.test(name))
          expect(name.endsWith('.md') ? content.replace(/`[^`]*`/g, '') : content).not.toMatch(
            /<img|<\/script><script/,
          );
      for (const line of readFileSync(join(folder, 'ledger.csv'), 'utf8').split('\r\n'))
        for (const field of line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/))
          expect(field).not.toMatch(/^"?(?:\\u[0-9a-f]{4}|\s)*[=+@\uff1d]|^"?-(?!\d)/);
      for (const line of resultTable(run).split('\n')) expect(line).not.toMatch(/^::error/);
    }),
    { seed: 20261125, numRuns: 12 },
  );
});

test.each([true, false])('nor do the lines that tell of a run while it goes on (a terminal: %s)', (isTTY) => {
  let told = '';
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      told += chunk.toString();
      done();
    },
  }) as Writable as NodeJS.WriteStream;
  Object.assign(stream, { isTTY, columns: 400, rows: 50 });
  const cell = {
    id: `a${TITLE}\n::error::b`,
    provider: { name: TITLE },
    skip: `c${TITLE}`,
  } as PlannedCell;
  const progress = createProgress(stream, () => TITLE);
  progress.begin(cell, { index: 0, of: 1, predicting: false });
  const counts = {
    clients: 1,
    open: 1,
    away: 0,
    opened: 1,
    connecting: 0,
    givenUp: 0,
    byVersion: new Map([[TITLE, 1]]),
  };
  progress.watch(cell, { now: 1, step: TITLE, counts });
  progress.end(cell, { outcome: 'broken', error: new Error(`d${TITLE}\n::error::e`) });
  progress.skipped(cell);
  expect(told).toContain('\\u001b]0;owned\\u0007');
  expect(told).not.toContain(TITLE);
  expect(told).not.toMatch(/^::error/m);
});
