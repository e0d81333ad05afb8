import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import type { ResultDocument } from '../../reports/result/result-document.ts';
import { AXES, optionName } from '../contracts/axes.ts';
import type { Event } from '../contracts/event.ts';

const CLI = join(import.meta.dirname, 'main.ts');

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function onedrop(
  words: readonly string[],
  meanwhile: (said: string, interrupt: () => void) => void = () => {},
) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [CLI, 'scenario', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk;
      meanwhile(err, () => child.kill('SIGINT'));
    });
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

test('every mistake on the command line is named at once, with what is allowed, and the exit code is 64', async () => {
  const { code, err, out } = await onedrop([
    ...[
      'selector-flop',
      '--cluster',
      'mars',
      '--policy',
      'Sometimes',
      '--nodes',
      '0',
      '--repeat',
      'x',
      '--format',
      'pdf',
    ],
  ]);
  expect(code).toBe(64);
  expect(out).toBe('');
  for (const hint of [
    'selector-flop',
    'seventy-thirty',
    'mars',
    'sim',
    '--policy Sometimes',
    'Cluster|Local',
    '--nodes 0',
    '--repeat x',
    '--format pdf',
  ])
    expect(err).toContain(hint);
});

test('an unknown option is a usage error too', async () => {
  const { code, err } = await onedrop(['--colour', 'green']);
  expect(code).toBe(64);
  expect(err).toContain('--colour');
});

test('--help explains every axis with its default, and shows examples', async () => {
  const { code, out } = await onedrop(['--help']);
  expect(code).toBe(0);
  for (const name of Object.keys(AXES)) expect(out).toContain(`--${optionName(name)} `);
  expect(out).toContain('npm run scenario -- seventy-thirty');
  expect(out).toContain('Exit codes');
});

test('--dry-run prints the cells and creates nothing', async () => {
  const out = join(scratch(), 'run');
  const { code, out: said } = await onedrop([
    'seventy-thirty',
    '--cluster',
    'sim',
    '--nodes',
    '2,3',
    '--dry-run',
    '--out',
    out,
  ]);
  expect(code).toBe(0);
  expect(said.trim().split('\n')).toHaveLength(2);
  expect(existsSync(out)).toBe(false);
});

test('two runs with one seed write byte-identical logs, and another seed writes another', async () => {
  const directory = scratch();
  const log = async (name: string, seed: string) => {
    const out = join(directory, name);
    const words = [
      'selector-flip',
      '--cluster',
      'sim',
      '--policy',
      'Cluster,Local',
      '--pods',
      '3',
      '--clients',
      '500',
    ];
    await onedrop([...words, '--seed', seed, '--out', out]);
    return readFileSync(join(out, 'events.jsonl'));
  };
  const [first, second, other] = [await log('first', '7'), await log('second', '7'), await log('other', '8')];
  expect(first.equals(second)).toBe(true);
  expect(first.equals(other)).toBe(false);
});

test('--format json prints one document and nothing else on standard output', async () => {
  const { code, out } = await onedrop([
    ...[
      'seventy-thirty',
      '--cluster',
      'sim',
      '--clients',
      '200',
      '--format',
      'json',
      '--out',
      join(scratch(), 'run'),
    ],
  ]);
  expect(code).toBe(0);
  const document = JSON.parse(out) as ResultDocument;
  expect(document.cells).toHaveLength(1);
  expect(document.cells[0]).toMatchObject({
    ...{
      strategy: 'seventy-thirty',
      cluster: 'sim',
      clients: 200,
      dropped: 0,
      droppedShare: 0,
      verdict: 'pass',
    },
    ...{ droppedTwice: 0, landedOnOld: 0, unattributed: 0, firstDropMillis: null, timeAway: null },
  });
});

test('a run is never written over another', async () => {
  const out = join(scratch(), 'run');
  const words = ['seventy-thirty', '--cluster', 'sim', '--clients', '50', '--out', out];
  await onedrop(words);
  const { code, err } = await onedrop(words);
  expect(code).toBe(64);
  expect(err).toContain('holds a run already');
});

test('Ctrl-C ends a run cleanly: what was logged is kept, closed by its end, and the place is said', async () => {
  const out = join(scratch(), 'run');
  let asked = false;
  const { code, err } = await onedrop(
    ['rolling-update', '--cluster', 'sim', '--clients', '200000', '--pods', '20', '--out', out],
    (_said, interrupt) => {
      if (asked) return;
      asked = true;
      // The first line is said right before the run begins; a moment later it is in its midst.
      setTimeout(interrupt, 1500);
    },
  );
  expect(code).toBe(2);
  expect(err).toContain('what was logged until now is kept');
  // A large log is compressed when the run ends.
  const plain = join(out, 'events.jsonl');
  const log = existsSync(plain) ? readFileSync(plain) : gunzipSync(readFileSync(`${plain}.gz`));
  const lines = log.toString('utf8').trimEnd().split('\n');
  expect(JSON.parse(lines.at(-1) ?? '') as Event).toMatchObject({ type: 'end', outcome: 'interrupted' });
  expect(existsSync(join(out, 'report.html'))).toBe(true);
});

test('doctor looks at the cluster of the kubeconfig where none is named', async () => {
  const { code, err } = await onedrop(['doctor', '--kubeconfig', '/nowhere/kubeconfig']);
  expect(code).toBe(64);
  expect(err).toContain('--cluster kubeconfig: there is no /nowhere/kubeconfig');
});
