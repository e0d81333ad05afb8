import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { preflight } from '../../../clusters/netns/preflight.ts';
import { readRun } from '../../../reports/stored/stored-run.ts';
import type { Event } from '../../contracts/event.ts';

const CLI = join(import.meta.dirname, '..', 'main.ts');
const usable = await preflight();
if (!usable.usable) process.stdout.write(`lane.test.ts: skipped, ${usable.missing[0]?.what}\n`);

/** Two cells on netns, as many at once as the machine has cores for. */
function launch() {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-lane-'));
  const out = join(directory, 'out');
  const words = [
    'seventy-thirty',
    '--cluster',
    'netns',
    '--policy',
    'Cluster,Local',
    '--clients',
    '50',
    '--speed',
    '10',
  ];
  const child = spawn(
    process.execPath,
    [CLI, 'scenario', ...words, '--no-config', '--no-predict', '--out', out],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  });
  let said = '';
  child.stderr?.on('data', (data) => {
    said += data;
  });
  const log = (): Event[] => {
    const path = join(out, 'events.jsonl');
    if (!existsSync(path)) return [];
    const complete = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Event);
  };
  return { child, out, log, said: () => said };
}

/** Polls until the log holds that many steps' begins of this name; the test's own timeout is the limit. */
async function reached(run: ReturnType<typeof launch>, step: string, times: number): Promise<void> {
  const begins = () =>
    run.log().filter((event) => event.type === 'step' && event.name === step && event.edge === 'begin');
  while (begins().length < times) {
    if (run.child.exitCode !== null) throw new Error(`ended too early:\n${run.said()}`);
    await pause(50);
  }
}

/** Every process under this one that plays a cell, in the order in which they were started. */
function lanesOf({ pid }: ChildProcess): number[] {
  const children = (of: number): number[] => {
    const own = readFileSync(`/proc/${of}/task/${of}/children`, 'utf8').trim().split(' ').filter(Boolean);
    return own.flatMap((child) => [Number(child), ...children(Number(child))]);
  };
  return children(pid as number).filter(
    (child) =>
      readFileSync(`/proc/${child}/cmdline`, 'utf8').startsWith(process.execPath) &&
      readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('lane.main.ts'),
  );
}

test.skipIf(!usable.usable)(
  'a lane that dies breaks its cell and no other, and an interruption ends the others in order',
  async () => {
    const run = launch();
    await reached(run, 'calm', 1);
    process.kill(lanesOf(run.child)[0] as number, 'SIGKILL');
    await reached(run, 'calm', 2);
    run.child.kill('SIGINT');
    const [code] = await once(run.child, 'exit');
    expect(code, run.said()).toBe(70);
    const log = run.log();
    expect(log.flatMap((event) => (event.type === 'cell' ? event.cell.id : []))).toEqual([
      'seventy-thirty/policy=Cluster',
      'seventy-thirty/policy=Local',
    ]);
    expect(log.filter(({ type }) => type === 'end')).toMatchObject([
      { outcome: 'broken', why: expect.stringContaining('the process that played it ended') },
      { outcome: 'interrupted' },
      { outcome: 'broken' },
    ]);
    // Every line is where its seal says.
    expect(await readRun(run.out)).toMatchObject({ run: { seed: 1 }, unplayed: [] });
    expect(readdirSync(run.out).filter((name) => /^events-\d/.test(name))).toEqual([]);
  },
  60_000,
);
