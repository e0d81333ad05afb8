import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Story, testCell, testLog } from '../harness/analyses/test-log.ts';
import type { Timed } from '../harness/contracts/event.ts';
import { CHROMIUM, launchBrowser } from './browser.fixture.ts';
import { compareDocuments } from './compare/compare.ts';
import { comparisonHtml } from './compare/comparison-html.ts';
import { renderReport } from './report.ts';
import { resultDocument } from './result/result-document.ts';
import { RunReader } from './stored/stored-run.ts';
import { comparisonRun, testRun } from './stored/test-run.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Two cells with an autoscaler, one of the 70/30 experiment, one skipped: between them every section of the page. */
function everySection() {
  const { run, header } = testRun([]);
  const reader = new RunReader();
  reader.add(header);
  const add = (id: string, strategy: string, story: Story, more: readonly Timed[] = []) => {
    const cell = testCell({ id, strategy, axes: { clients: 40, pods: 3 } });
    reader.add({ type: 'cell', cell });
    for (const event of [...testLog(cell, story), ...more].sort((a, b) => a.at - b.at)) reader.add(event);
  };
  const scaled: Timed[] = [
    { at: 100_000, type: 'autoscaler', target: 'v1', current: 4, desired: 6, why: 'cpu 90 % asks for 6' },
    { at: 100_000, type: 'replicas', owner: 'v1', desired: 6, ready: 4 },
  ];
  add('hpa', 'hpa', 'rolling', scaled);
  add('hpa/other', 'rolling-update', 'paced', scaled);
  add('seventy-thirty', 'seventy-thirty', 'fail-open');
  reader.add({ type: 'skipped', cell: testCell({ id: 'mesh' }), why: 'not offered' });
  return reader.result(run);
}

const live = () =>
  readFileSync(join(import.meta.dirname, '..', 'harness', 'cli', 'live', 'live.html'), 'utf8');

const PAGES: readonly (readonly [name: string, render: () => string])[] = [
  ['a report of measured and predicted cells', () => renderReport(comparisonRun())],
  ['a report with every section', () => renderReport(everySection())],
  ['a comparison of runs', () => comparison()],
  ['the live page', live],
];

function comparison(): string {
  const { cells } = resultDocument(comparisonRun());
  return comparisonHtml(compareDocuments(cells, cells), { baseline: 'before', candidate: 'after' });
}

describe.skipIf(CHROMIUM === undefined)('pages for everybody', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onedrop-axe-'));
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  async function open(page: string, options: BrowserContextOptions) {
    const file = join(folder, 'page.html');
    writeFileSync(file, page);
    const context = await browser.newContext({ offline: true, ...options });
    const opened = await context.newPage();
    await opened.goto(`file://${file}`);
    return { page: opened, [Symbol.asyncDispose]: () => context.close() };
  }

  test.each(PAGES)('axe-core finds nothing in %s, light and dark', async (_name, render) => {
    await using opened = await open(render(), { bypassCSP: true });
    const { page } = opened;
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
    await page.evaluate(AXE);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate<AxeResults>("axe.run({ resultTypes: ['violations'] })");
      const told = violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${colorScheme}: ${id}: ${html}: ${failureSummary}`),
      );
      expect(told).toEqual([]);
    }
  });

  test.each(PAGES.filter(([name]) => name.includes('report')))(
    'without scripts a sentence stands where a chart would be, and nothing that needs one: %s',
    async (_name, render) => {
      await using opened = await open(render(), { javaScriptEnabled: false });
      const { page } = opened;
      const charts = await page.locator('canvas').count();
      expect(charts).toBeGreaterThan(0);
      // Of what is folded away nothing is visible; all of it is in the page in the same way.
      expect(await page.locator('canvas:visible, select:visible, #theme:visible').count()).toBe(0);
      expect(await page.locator('figure noscript').count()).toBe(charts);
      const said = await page.locator('details[open] figure:has(canvas) noscript p').allTextContents();
      expect(said.length).toBeGreaterThan(0);
      for (const text of said) expect(text).toMatch(/[a-z].*\.$/);
    },
  );

  test('without scripts the live page says where else the run is shown', async () => {
    await using opened = await open(live(), { javaScriptEnabled: false });
    const { page } = opened;
    expect(await page.locator('svg:visible, table:visible').count()).toBe(0);
    const said = page.locator('main noscript p');
    expect(await said.isVisible()).toBe(true);
    expect(await said.textContent()).toMatch(/report\.html/);
  });
});
