import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lastRun } from './last-run.ts';
import { INFO } from './played-run.fixture.ts';

function runs(): { folder: string; run(name: string, startedAt: string, id?: string): void } {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-runs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return {
    folder,
    run(name, startedAt, id = name) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'run.json'), JSON.stringify({ ...INFO, id, startedAt }));
      writeFileSync(join(folder, name, 'events.jsonl'), '');
    },
  };
}

test('the last run is the one that began last, whatever its folder is called', () => {
  const { folder, run } = runs();
  run('20261122-220601-1', '2026-11-22T22:06:01.000Z');
  run('20261123-080000-1', '2026-11-23T08:00:00.000Z');
  run('nightly-20261122', '2026-11-22T23:00:00.000Z', '20261122-230000-7');
  expect(lastRun(folder)).toBe(join(folder, '20261123-080000-1'));
  cpSync(join(folder, '20261123-080000-1'), join(folder, 'baseline'), { recursive: true });
  expect(lastRun(folder)).toBe(join(folder, '20261123-080000-1'));
});

test('stray files, folders that hold no run and damaged runs are passed over', () => {
  const { folder, run } = runs();
  expect(lastRun(folder)).toBeUndefined();
  expect(lastRun(join(folder, 'none'))).toBeUndefined();
  run('a', '2026-11-22T22:06:01.000Z');
  run('b', 'not a time');
  run('c', '2026-11-23T22:06:01.000Z');
  writeFileSync(join(folder, 'c', 'run.json'), '{"id":');
  run('d', '2026-11-23T22:06:01.000Z');
  rmSync(join(folder, 'd', 'events.jsonl'));
  writeFileSync(join(folder, 'zzz'), 'stray');
  mkdirSync(join(folder, 'zzzz'));
  expect(lastRun(folder)).toBe(join(folder, 'a'));
});
