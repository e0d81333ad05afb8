import { spawn, spawnSync } from 'node:child_process';
import { existsSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { onedrop, scratch, small } from './cli.fixture.ts';

const ALL = [
  'events.jsonl',
  'junit.xml',
  'ledger.csv',
  'report.html',
  'report.json',
  'run.json',
  'summary.md',
];

test.skipIf(!existsSync('/dev/full'))(
  'a full disk under standard output and error keeps no report from being written, nor the verdict',
  async () => {
    const out = join(scratch(), 'run');
    const full = openSync('/dev/full', 'w');
    const { code } = await onedrop(small(out, true), { stdio: ['ignore', full, full] });
    expect(readdirSync(out).toSorted()).toEqual(ALL);
    expect(code).toBe(1);
  },
);

test('whoever stops reading after a line, or never read, gets all reports and the verdict', async () => {
  const out = join(scratch(), 'run');
  const { code } = await onedrop(small(out, true), {}, (child) => {
    child.stderr?.once('data', () => child.stderr?.destroy());
    child.stdout?.destroy();
  });
  expect(readdirSync(out).toSorted()).toEqual(ALL);
  expect(code).toBe(1);
});

test.skipIf(process.platform === 'win32')(
  'closed standard output and error are no fault either',
  async () => {
    const out = join(scratch(), 'run');
    const words = [process.execPath, join(import.meta.dirname, 'onedrop.js'), ...small(out, true)];
    const { status } = spawnSync('sh', ['-c', '"$@" >&- 2>&-', 'sh', ...words]);
    expect(readdirSync(out).toSorted()).toEqual(ALL);
    expect(status).toBe(1);
  },
);

test.skipIf(!existsSync('/usr/bin/script'))(
  'a terminal that is closed in the midst of a run ends the run, and its reports are written',
  async () => {
    const out = join(scratch(), 'run');
    const cell = ['scenario', 'rolling-update', '--cluster', 'sim', '--no-config', '--clients', '30000'];
    const words = [process.execPath, join(import.meta.dirname, 'onedrop.js'), ...cell, '--pods', '10'];
    const command = [...words, '--out', out].map((word) => `'${word}'`).join(' ');
    const terminal = spawn('script', ['-qec', `exec ${command}`, '/dev/null'], {
      stdio: 'ignore',
    });
    await expect.poll(() => existsSync(join(out, 'events.jsonl')), { timeout: 30_000 }).toBe(true);
    terminal.kill('SIGKILL');
    await expect.poll(() => existsSync(join(out, 'ledger.csv')), { timeout: 30_000 }).toBe(true);
    expect(readdirSync(out).toSorted()).toEqual(ALL);
  },
);
