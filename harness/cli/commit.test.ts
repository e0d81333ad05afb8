import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { commit } from './commit.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'onedrop-commit-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A repository with one commit, and that commit. */
function repository(): { path: string; head: string } {
  const path = folder();
  const git = (...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...words], {
      cwd: path,
      encoding: 'utf8',
    }).trim();
  git('init', '--quiet');
  writeFileSync(join(path, 'file'), 'text');
  git('add', '.');
  git('commit', '--quiet', '--message', 'first');
  return { path, head: git('rev-parse', '--short=12', 'HEAD') };
}

test('the commit of the checkout, with a plus where it was changed', () => {
  const { path, head } = repository();
  expect(commit(path)).toBe(head);
  writeFileSync(join(path, 'file'), 'other text');
  expect(commit(path)).toBe(`${head}+`);
});

test('a copy inside another repository does not take that one for its own', () => {
  const copy = join(repository().path, 'vendor', 'onedrop');
  mkdirSync(copy, { recursive: true });
  expect(commit(copy)).toBe('unknown');
});

test('no repository, no commit', () => {
  expect(commit(folder())).toBe('unknown');
  const empty = folder();
  execFileSync('git', ['init', '--quiet'], { cwd: empty });
  expect(commit(empty)).toBe('unknown');
});
