import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { onedrop } from '../cli.fixture.ts';
import { findOldRuns, parseAge, removeRun } from './old-runs.ts';
import { lastRun } from './runs.ts';

const DAY = 24 * 3_600_000;
const NOW = Date.parse('2026-11-25T00:00:00Z');

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-runs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A run that began some days before NOW, and was last written some days before it. */
function stored(folder: string, name: string, days: number, { written = days, run = {}, more = '' } = {}) {
  const path = join(folder, name);
  mkdirSync(path);
  const startedAt = new Date(NOW - days * DAY).toISOString();
  for (const [file, text] of [
    ['run.json', JSON.stringify({ id: name, startedAt, ...run })],
    ['events.jsonl', 'x'.repeat(1000)],
    ...(more === '' ? [] : [[more, 'somebody’s']]),
  ] as const) {
    writeFileSync(join(path, file), text);
    utimesSync(join(path, file), (NOW - written * DAY) / 1000, (NOW - written * DAY) / 1000);
  }
  return path;
}

/** What is no run: a file, a folder without run.json, damaged ones, one that begins at no time. */
function strays(folder: string): void {
  writeFileSync(join(folder, 'zzz.txt'), 'notes');
  for (const [name, text] of [
    ['zzz-empty', undefined],
    ['zzz-cut', '{"startedAt": "2030'],
    ['zzz-null', 'null'],
    ['zzz-never', '{"startedAt": "some day"}'],
    ['zzz-number', '{"startedAt": 99999999999999}'],
  ] as const) {
    mkdirSync(join(folder, name));
    if (text !== undefined) writeFileSync(join(folder, name, 'run.json'), text);
  }
}

test('the last run is the one that began last, whatever it is called, and strays are passed over', () => {
  const folder = scratch();
  expect(() => lastRun(folder)).toThrow(/no stored run yet/);
  expect(() => lastRun(join(folder, 'nowhere'))).toThrow(/no stored run yet/);
  strays(folder);
  expect(() => lastRun(folder)).toThrow(/no stored run yet/);
  stored(folder, 'nightly-20991231T000000', 3);
  stored(folder, '20261124-000000-1', 1, { written: 0 });
  stored(folder, 'baseline', 0.5);
  stored(folder, 'last good', 0.5, { more: 'baseline' });
  expect(lastRun(folder)).toBe(join(folder, '20261124-000000-1'));
  // In another time zone, and yet later.
  stored(folder, 'a', 9, { run: { startedAt: '2026-11-24T01:00:00+00:30' } });
  expect(lastRun(folder)).toBe(join(folder, 'a'));
});

test('old are runs that began and were last written before that; nothing else is', () => {
  const folder = scratch();
  strays(folder);
  const other = scratch();
  const elsewhere = stored(other, 'linked', 90);
  symlinkSync(elsewhere, join(folder, 'linked'));
  const old = stored(folder, 'old', 31);
  stored(folder, 'young', 29);
  stored(folder, 'going on', 31, { written: 0 });
  stored(folder, 'baseline', 90);
  stored(folder, 'last good', 90, { more: 'baseline' });
  stored(folder, 'annotated', 90, { more: 'thesis.odt' });
  const found = findOldRuns(folder, 30 * DAY, NOW);
  expect(found.old).toEqual([
    { name: 'old', path: old, began: NOW - 31 * DAY, bytes: expect.closeTo(1060, -2) as number },
  ]);
  expect(found.kept.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
    { name: 'annotated', why: expect.stringContaining('thesis.odt') as string },
    { name: 'baseline', why: expect.stringContaining('baseline') as string },
    { name: 'last good', why: expect.stringContaining('baseline') as string },
  ]);
  for (const run of found.old) removeRun(run);
  expect(existsSync(old)).toBe(false);
  expect(existsSync(join(elsewhere, 'run.json'))).toBe(true);
});

test.each([
  ['30d', 30 * DAY],
  ['12h', DAY / 2],
  ['8w', 56 * DAY],
])('an age of %s is understood', (text, age) => {
  expect(parseAge(text)).toBe(age);
});

test.each(['', '30', '0d', '-1d', '30m', '1.5d', 'd', '1d2h', '99999999999999999d'])(
  'an age of "%s" is none, and it is told what would be',
  (text) => {
    expect(parseAge(text)).toMatch(/12h, 30d or 8w, at least 1h/);
  },
);

test('sweep refuses an age that is none before it removes anything', async () => {
  const { code, out, err } = await onedrop(['sweep', '--runs-older-than', 'ages', '--yes']);
  expect({ code, out }).toEqual({ code: 64, out: '' });
  expect(err).toContain('--runs-older-than ages: must be');
});
