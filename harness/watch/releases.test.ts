import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AnnouncedReleases, CommandRelease, shownCommand } from './releases.ts';

test.each([
  [['helm', 'upgrade', 'x', './a b'], "helm upgrade x './a b'"],
  [['helm', '--set', 'auth.password=x,image.tag=1'], 'helm --set auth.password=...,image.tag=1'],
  [['deploy', '--token', 'abc', '--to', 'prod'], 'deploy --token ... --to prod'],
  [['deploy', '--api-key=abc'], 'deploy --api-key=...'],
  [['kubectl', 'set', 'env', 'deploy/x', 'DB_SECRET=1'], 'kubectl set env deploy/x DB_SECRET=...'],
])('a command is shown without what may be a secret in it: %j', (words, shown) => {
  expect(shownCommand(words)).toBe(shown);
});

describe('a command as a release', () => {
  function command(words: readonly string[], signal = new AbortController().signal) {
    const folder = mkdtempSync(join(tmpdir(), 'onedrop-command-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'command.log');
    let told = '';
    const tell = (_: string, text: Buffer) => {
      told += text;
    };
    const release = new CommandRelease(words, { file, cwd: folder, env: {}, signal, tell });
    return { release, told: () => told, kept: () => readFileSync(file, 'utf8') };
  }

  test('is run once, in order, and its output is kept and told', async () => {
    const { release, told, kept } = command([
      process.execPath,
      '-e',
      'console.log(process.argv[1])',
      '$HOME; ls',
    ]);
    const begun = await release.next();
    expect(await begun?.over).toEqual({});
    expect([told(), kept()]).toEqual(['$HOME; ls\n', '$HOME; ls\n']);
    expect(await release.next()).toBeUndefined();
  });

  test.each([
    [[process.execPath, '-e', 'process.exit(3)'], /exit code 3/],
    [[process.execPath, '-e', 'process.kill(process.pid, 9)'], /ended by SIGKILL/],
    [['no-such-program'], /could not be started .*ENOENT/],
  ])('that fails says how: %j', async (words, how) => {
    expect((await (await command(words).release.next())?.over)?.failed).toMatch(how);
  });

  test('is asked to end when the run is', async () => {
    const controller = new AbortController();
    const { release, told } = command(
      [
        process.execPath,
        '-e',
        "process.on('SIGTERM', () => { console.log('bye'); process.exit(1) }); console.log('up'); setInterval(() => {}, 1e6)",
      ],
      controller.signal,
    );
    const begun = await release.next();
    while (!told().includes('up')) await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    expect(await begun?.over).toEqual({ failed: 'it ended with exit code 1' });
    expect(told()).toContain('bye');
  });
});

describe('announced releases', () => {
  const forever = new AbortController().signal;

  test('come one after the other, one at a time, and no more than were asked for', async () => {
    const releases = new AnnouncedReleases(2);
    const first = releases.next(forever);
    expect(releases.end()).toBe(false);
    expect(releases.begin('a')).toBe(true);
    expect(releases.begin('b')).toBe(false);
    const one = await first;
    expect(one?.name).toBe('a');
    expect(releases.end({ failed: 'no image' })).toBe(true);
    expect(await one?.over).toEqual({ failed: 'no image' });
    releases.begin('b');
    expect(releases.isWaiting).toBe(true);
    expect((await releases.next(forever))?.name).toBe('b');
    expect(await releases.next(forever)).toBeUndefined();
  });

  test('end when it is asked to stop, and so does the waiting for one', async () => {
    const stop = new AbortController();
    const releases = new AnnouncedReleases();
    releases.begin('a');
    const release = await releases.next(stop.signal);
    const next = releases.next(stop.signal);
    stop.abort();
    expect(await release?.over).toEqual({});
    expect(await next).toBeUndefined();
  });
});
