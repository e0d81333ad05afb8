import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { inotifyLimits, lacksInotify } from './inotify.ts';

const DEBIAN = { instances: 128, watches: 65_536 };

test("with Debian's 128 instances one cluster of four nodes fits, and a second does not", () => {
  expect(lacksInotify(4, 0, DEBIAN)).toBeUndefined();
  const lacking = lacksInotify(4, 4, DEBIAN);
  expect(lacking?.what).toContain('fs.inotify.max_user_instances is 128');
  expect(lacking?.what).toContain('for 4 kind nodes beside the 4 that run');
  expect(lacking?.mend).toBe(
    'sudo sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288',
  );
});

test('what mends it does', () => {
  expect(lacksInotify(10, 10, { instances: 512, watches: 524_288 })).toBeUndefined();
});

test('both limits are told at once', () => {
  const what = lacksInotify(4, 4, { instances: 128, watches: 100 })?.what;
  expect(what).toMatch(/max_user_instances is 128.* and fs\.inotify\.max_user_watches is 100/);
});

test('the limits are read where the kernel tells them, and elsewhere nothing is lacking', () => {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-inotify-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  expect(inotifyLimits(directory)).toBeUndefined();
  writeFileSync(join(directory, 'max_user_instances'), '128\n');
  writeFileSync(join(directory, 'max_user_watches'), '8192\n');
  expect(inotifyLimits(directory)).toEqual({ instances: 128, watches: 8192 });
});
