import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CHROMIUM, launchBrowser } from './browser.fixture.ts';
import { renderReport } from './report.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { comparisonRun, HOSTILE, testRun } from './stored/test-run.ts';

if (CHROMIUM === undefined)
  test.skip('the report in a browser: skipped, for no Chromium is installed (apt-get install chromium)', () => {});

describe.skipIf(CHROMIUM === undefined)('the report in a browser', () => {
  let browser: Browser;
  let folder: string;
  let page: Page;
  let faults: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'onedrop-browser-'));
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    await page.context().close();
    expect(faults).toEqual([]);
  });

  /** Opens a run's report; script errors, console errors and any attempt to load something are faults. */
  async function open(run: StoredRun, options: { width?: number; dark?: boolean } = {}) {
    const file = join(folder, 'report.html');
    writeFileSync(file, renderReport(run));
    const context = await browser.newContext({
      viewport: { width: options.width ?? 1280, height: 900 },
      colorScheme: options.dark ? 'dark' : 'light',
      offline: true,
      acceptDownloads: true,
    });
    page = await context.newPage();
    faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!/^(file|blob|data):/.test(request.url())) faults.push(`request to ${request.url()}`);
    });
    await page.goto(`file://${file}`);
  }
  const theme = () => page.evaluate('document.documentElement.dataset.theme');
  const rows = () => page.locator('#ledger-table tbody tr');
  const count = async () => Number(((await page.locator('#ledger-count').textContent()) ?? '').split(' ')[0]);

  test('draws its charts as they come into view', async () => {
    await open(comparisonRun());
    const canvas = page.locator('details.cell[open] canvas').first();
    await canvas.scrollIntoViewIfNeeded();
    const painted = () =>
      page.evaluate<boolean>(
        `(() => {
          const canvas = document.querySelector('details.cell[open] canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return data.some((value) => value !== 0);
        })()`,
      );
    await expect.poll(painted, { timeout: 30_000 }).toBe(true);
    expect(await canvas.getAttribute('aria-label')).toMatch(/^Connections over time by version\. At most/);
  });

  test('sorts the comparison by a column, by mouse and by keyboard', async () => {
    await open(comparisonRun());
    const head = page.locator('#comparison th', { hasText: 'dropped' }).first();
    const values = () =>
      page.evaluate<number[]>(
        `(() => {
          const head = [...document.querySelectorAll('#comparison th')].find((cell) => /dropped/.test(cell.textContent));
          const rows = [...document.querySelectorAll('#comparison tbody tr')];
          return rows.map((row) => Number(row.cells[head.cellIndex].dataset.value));
        })()`,
      );
    await head.getByRole('button').click();
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    expect(await values()).toEqual([...(await values())].sort((a, b) => b - a));
    await head.getByRole('button').focus();
    await page.keyboard.press('Enter');
    expect(await head.getAttribute('aria-sort')).toBe('ascending');
    expect(await values()).toEqual([...(await values())].sort((a, b) => a - b));
    expect(await values()).toHaveLength(3);
  });

  test('filters the ledger, pages through it and tells what led to a row', async () => {
    await open(comparisonRun());
    const all = await count();
    expect(await rows().count()).toBe(25);
    await page.selectOption('#filter-cause', { label: 'balancer failed open' });
    const chosen = await count();
    expect(chosen).toBeGreaterThan(0);
    expect(chosen).toBeLessThan(all);
    await page.click('#ledger-next');
    expect(await page.locator('#ledger-count').textContent()).toMatch(/page 2 of/);
    await rows().first().getByRole('button').click();
    expect(await page.locator('#ledger-table tr.story').textContent()).toMatch(
      /step "selector matches no pod" begins[\s\S]*fails open[\s\S]*the client gives the connection up/,
    );
    await page.selectOption('#filter-version', 'v1');
    expect(await count()).toBe(chosen);
  });

  test('gives the chosen rows as CSV', async () => {
    await open(comparisonRun());
    await page.selectOption('#filter-cause', { label: 'balancer failed open' });
    const chosen = await count();
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#ledger-csv')]);
    const lines = readFileSync(await download.path(), 'utf8').split('\r\n');
    expect(lines).toHaveLength(chosen + 1);
    expect(lines[0]).toMatch(/^cell,client,nth,cause,/);
  });

  test('lets no text from outside run or become an element', async () => {
    await open(
      testRun([[{ id: HOSTILE, strategy: HOSTILE, question: HOSTILE, axes: { clients: 30 } }, 'fail-open']]),
    );
    await rows().first().getByRole('button').click();
    expect(await page.title()).toContain('onedrop: </script>');
    expect(await page.locator('img, blink').count()).toBe(0);
  });

  test.each([390, 768, 1280])('fits a window of %i pixels, light and dark', async (width) => {
    await open(comparisonRun(), { width, dark: width === 768 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await theme()).toBe(width === 768 ? 'dark' : 'light');
    await page.click('#theme');
    expect(await theme()).toBe(width === 768 ? 'light' : 'dark');
  });

  test('stays light with 10,000 clients: filters, pages and folds', async () => {
    await open(
      testRun([
        [{ id: 'a', strategy: 'rolling-update', axes: { clients: 10_000, pods: 5 } }, 'rolling'],
        [{ id: 'b', strategy: 'selector-flip', axes: { clients: 10_000, pods: 5 } }, 'paced'],
      ]),
    );
    // Not measured in milliseconds, which other work on the machine would change: what a page must lay out.
    const elements = () => page.evaluate("document.querySelectorAll('*').length");
    expect(await elements()).toBeLessThan(6000);
    for (const node of await page.locator('#filter-node option').all()) {
      await page.selectOption('#filter-node', (await node.getAttribute('value')) ?? '');
      expect(await rows().count()).toBeLessThanOrEqual(25);
    }
    await page.click('#ledger-next');
    expect(await page.locator('#ledger-count').textContent()).toMatch(/page 2 of/);
    await page.locator('details.cell > summary').last().click();
    expect(await page.locator('details.cell[open]').count()).toBe(1);
  });

  test('prints everything unfolded and light, dark screen or not', async () => {
    await open(comparisonRun(50), { dark: true });
    await page.emulateMedia({ media: 'print' });
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    expect(await page.locator('details:not([open])').count()).toBe(0);
    expect(await theme()).toBe('light');
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.length).toBeGreaterThan(50_000);
  });
});
