import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { refusesBaseline } from './nightly.ts';
import { refusesOut } from './typed-path.ts';

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-out-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a new or an empty folder can be written', () => {
  const folder = scratch();
  expect(refusesOut(folder)).toBeUndefined();
  expect(refusesOut(join(folder, 'a', 'b'))).toBeUndefined();
});

test('an --out that cannot be, or is somebody’s, is refused with the reason', () => {
  const folder = scratch();
  writeFileSync(join(folder, 'report.html'), 'mine');
  const file = join(folder, 'report.html');
  expect(refusesOut('')).toMatch(/must name a folder/);
  expect(refusesOut(folder)).toMatch(/holds report.html already/);
  expect(refusesOut(file)).toMatch(/not a folder/);
  expect(refusesOut(join(file, 'below'))).toMatch(/lies below .*not a folder/);
  expect(refusesOut('/dev/null')).toMatch(/not a folder/);
  expect(refusesOut('/proc/x')).toMatch(/cannot be written/);
  expect(refusesOut(join(folder, 'x'.repeat(300)))).toMatch(/more than 255 bytes/);
  expect(refusesOut(`${folder}/\0`)).toMatch(/NUL/);
  expect(refusesOut(folder, (entry) => entry === 'report.html')).toBeUndefined();
});

test('a baseline is one run’s folder apart from --out, and nothing of somebody else’s is ever replaced', () => {
  const folder = scratch();
  const out = join(folder, 'out');
  const run = join(folder, 'last');
  mkdirSync(run);
  writeFileSync(join(run, 'run.json'), '{}');
  expect(refusesBaseline(join(folder, 'none'), out)).toBeUndefined();
  expect(refusesBaseline(run, out)).toBeUndefined();
  expect(refusesBaseline(folder, out)).toMatch(/apart/);
  expect(refusesBaseline(out, out)).toMatch(/apart/);
  expect(refusesBaseline(join(out, 'baseline'), out)).toMatch(/apart/);
  writeFileSync(join(run, 'thesis.odt'), 'years of work');
  expect(refusesBaseline(run, out)).toMatch(/thesis.odt, which is no file of a run/);
  const theirs = join(folder, 'photos');
  mkdirSync(join(theirs, 'summer'), { recursive: true });
  expect(refusesBaseline(theirs, out)).toMatch(/no run.json/);
});
