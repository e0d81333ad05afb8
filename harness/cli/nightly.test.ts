import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { onedrop, scratch } from './cli.fixture.ts';
import { keep, recover } from './runs/baseline.ts';

const idOf = (folder: string) =>
  (JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { id: string }).id;

/** Nightly of one strategy in a folder of its own; its runs are called by number. */
function nights(folder: string) {
  let night = 0;
  const baseline = join(folder, 'baseline');
  const play = async (words: readonly string[], passedOn: readonly string[] = []) => {
    const out = join(folder, `night-${++night}`);
    const size = ['--clients', '40', '--out', out, '--baseline', baseline];
    const ended = await onedrop(['nightly', ...words, ...size, '--', '--no-config', ...passedOn]);
    return { ...ended, run: out };
  };
  return { baseline, play };
}

test('a failed first run is no baseline, a good one is, a good one after it takes its place, one that tells nothing does not', async () => {
  const { baseline, play } = nights(scratch());
  const failed = await play(['seventy-thirty', '--repeat', '1'], ['--policy', 'Local']);
  expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('did not pass') as string });
  expect(existsSync(baseline)).toBe(false);
  const accepted = await play(['seventy-thirty', '--repeat', '1', '--accept'], ['--policy', 'Local']);
  expect(accepted).toMatchObject({ code: 0, err: expect.stringContaining('this run is the first one') });
  expect(idOf(baseline)).toBe(idOf(accepted.run));
  rmSync(baseline, { recursive: true });
  const good = ['seventy-thirty', '--repeat', '8'];
  const first = await play(good, ['--policy', 'Cluster']);
  expect(first).toMatchObject({
    code: 0,
    err: expect.stringContaining('this run is the first one') as string,
  });
  expect(idOf(baseline)).toBe(idOf(first.run));
  const second = await play(good, ['--policy', 'Cluster']);
  expect(second).toMatchObject({ code: 0, err: expect.stringContaining('nothing is worse') as string });
  expect(existsSync(join(second.run, 'comparison', 'comparison.html'))).toBe(true);
  expect(idOf(baseline)).toBe(idOf(second.run));
  const untold = await play(['seventy-thirty', '--repeat', '1'], ['--policy', 'Cluster']);
  expect(untold).toMatchObject({ code: 2, err: expect.stringContaining('not enough runs') as string });
  expect(idOf(baseline)).toBe(idOf(second.run));
});

test.each([
  [['selector-flop', '--cluster', 'mars', '--repeat', 'x'], []],
  [['--colour'], []],
  [[], ['--policy', 'Sometimes']],
])('a mistake is a usage error, also in what is passed on: %j -- %j', async (words, passedOn) => {
  const folder = scratch();
  const { baseline, play } = nights(folder);
  const { code, err } = await play(words, passedOn);
  expect(code).toBe(64);
  for (const word of [...words, ...passedOn]) expect(err).toContain(word);
  expect(existsSync(baseline)).toBe(false);
});

test('a baseline that is somebody else’s folder is refused and stays as it is', async () => {
  const folder = scratch();
  const { baseline, play } = nights(folder);
  mkdirSync(join(baseline, 'photos'), { recursive: true });
  writeFileSync(join(baseline, 'photos', 'summer'), 'sea');
  const { code, err, run } = await play(['selector-flip']);
  expect(code).toBe(64);
  expect(err).toContain('--baseline');
  expect(readFileSync(join(baseline, 'photos', 'summer'), 'utf8')).toBe('sea');
  expect(existsSync(run)).toBe(false);
});

test('whenever it is killed while a run becomes the baseline, the old one or the new one is there, whole', async () => {
  const folder = scratch();
  const run = (name: string) => {
    const path = join(folder, name);
    mkdirSync(path);
    for (let file = 0; file < 300; file++) writeFileSync(join(path, `${file}`), name);
    writeFileSync(join(path, 'run.json'), JSON.stringify({ id: name }));
    return path;
  };
  const [old, next] = [run('old'), run('next')];
  const baseline = join(folder, 'baseline');
  keep(old, baseline);
  const program = `import { keep } from ${JSON.stringify(join(import.meta.dirname, 'runs', 'baseline.ts'))};
    process.stdout.write('.');
    for (;;) for (const run of ${JSON.stringify([next, old])}) keep(run, ${JSON.stringify(baseline)});`;
  for (const delay of [1, 7, 16, 28, 45]) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
    await once(child.stdout, 'data');
    await sleep(delay);
    child.kill('SIGKILL');
    await once(child, 'close');
    recover(baseline);
    const id = idOf(baseline);
    const files = readdirSync(baseline).filter((name) => /^\d+$/.test(name));
    expect(files).toHaveLength(300);
    for (const name of files) expect(readFileSync(join(baseline, name), 'utf8')).toBe(id);
  }
  expect(readdirSync(folder).toSorted()).toEqual(['baseline', 'next', 'old']);
});

test('killed between its two renames, the old run is put back by the next night', () => {
  const folder = scratch();
  const baseline = join(folder, 'baseline');
  for (const name of ['old', 'next']) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'run.json'), JSON.stringify({ id: name }));
  }
  keep(join(folder, 'old'), baseline);
  cpSync(join(folder, 'next'), `${baseline}.onedrop-next`, { recursive: true });
  renameSync(baseline, `${baseline}.onedrop-old`);
  recover(baseline);
  expect(idOf(baseline)).toBe('old');
  // Without a baseline at all there is nothing to put back.
  rmSync(baseline, { recursive: true });
  recover(baseline);
  expect(existsSync(baseline)).toBe(false);
});
