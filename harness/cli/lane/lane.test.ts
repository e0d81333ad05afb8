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
  const read = (name: string): Event[] => {
    const path = join(out, name);
    if (!existsSync(path)) return [];
    const complete = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Event);
  };
  /** Also what a cell played beside the first has logged. */
  const parts = () =>
    existsSync(out) ? readdirSync(out).filter((name) => /^events(-\d+)?\.jsonl$/.test(name)) : [];
  return { child, out, log: () => read('events.jsonl'), all: () => parts().flatMap(read), said: () => said };
}

const isCalm = (event: Event) => event.type === 'step' && event.name === 'calm' && event.edge === 'begin';
const isBroken = (event: Event) => event.type === 'end' && event.outcome === 'broken';

/** Polls until the logs hold that many such events; the test's own timeout is the limit. */
async function reached(
  run: ReturnType<typeof launch>,
  wanted: (event: Event) => boolean,
  times: number,
): Promise<void> {
  while (run.all().filter(wanted).length < times) {
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
    await reached(run, isCalm, 2);
    // Which of the two cells that one plays is the kernel's choice on a busy machine.
    process.kill(lanesOf(run.child)[0] as number, 'SIGKILL');
    await reached(run, isBroken, 1);
    run.child.kill('SIGINT');
    const [code] = await once(run.child, 'exit');
    expect(code, run.said()).toBe(70);
    const log = run.log();
    expect(log.flatMap((event) => (event.type === 'cell' ? event.cell.id : []))).toEqual([
      'seventy-thirty/policy=Cluster',
      'seventy-thirty/policy=Local',
    ]);
    const ends = log.filter((event) => event.type === 'end');
    expect(ends.map(({ outcome }) => outcome).toSorted()).toEqual(['broken', 'broken', 'interrupted']);
    expect(ends.at(-1)).toMatchObject({ outcome: 'broken' });
    expect(ends.find(isBroken)).toMatchObject({
      why: expect.stringContaining('the process that played it ended'),
    });
    // Every line is where its seal says.
    expect(await readRun(run.out)).toMatchObject({ run: { seed: 1 }, unplayed: [] });
    expect(readdirSync(run.out).filter((name) => /^events-\d/.test(name))).toEqual([]);
  },
  60_000,
);
