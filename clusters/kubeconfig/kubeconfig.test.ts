import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import type { DoctorReport } from '../../harness/run/examine.ts';

/** The kubeconfig of a cluster whose nodes can be reached from here and have the gateway's image: clusters/kubeconfig/lab.sh. */
const KUBECONFIG = process.env.ONEDROP_KUBECONFIG;
if (KUBECONFIG === undefined)
  process.stdout.write('runs on a cluster of yours: skipped, ONEDROP_KUBECONFIG names no kubeconfig\n');

const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli', 'main.ts');
const CLUSTER = ['--kubeconfig', KUBECONFIG ?? ''];
const SHORT = ['--clients', '100', '--heartbeat', '2s', '--backoff', '5s', '--drain-over', '30s'];
// Made only where a test is played: nothing runs after tests that are all skipped.
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'onedrop-kubeconfig-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const scenario = (...words: string[]) => ['scenario', ...words, '--cluster', 'kubeconfig', ...CLUSTER];
const onedrop = async (...words: string[]) =>
  (await promisify(execFile)(process.execPath, [CLI, ...words], { maxBuffer: 1 << 26 })).stdout;

describe.skipIf(KUBECONFIG === undefined)('a cluster that is there already', () => {
  test('doctor knows its nodes and its dataplane, and predicts for them', async () => {
    const report = JSON.parse(await onedrop(...scenario('doctor', '--format', 'json'))) as DoctorReport;
    const [cell] = report.predictions;
    expect(cell?.axes.nodes).toBe(Number(report.axes.nodes));
    expect(report.axes.proxy).toBeDefined();
    expect(report.facts['port 10256 from here']).toContain('answer 200');
  }, 60_000);

  test('a selector flip loses nobody whose pod serves, as predicted', async () => {
    const words = scenario('selector-flip', '--policy', 'Local', ...SHORT, '--format', 'json');
    const text = await onedrop(...words, '--out', join(scratch, 'flip'));
    const [cell] = (JSON.parse(text) as { cells: CellDocument[] }).cells;
    expect(cell).toMatchObject({
      verdict: 'pass',
      clients: 100,
      dropped: 100,
      droppedTwice: 0,
      collateral: 0,
      landedOnOld: 0,
      controlDropped: 0,
      unattributed: 0,
      predicted: { agrees: true },
    });
  }, 900_000);

  test('a run that is killed with -9 leaves nothing that sweep does not find', async () => {
    const out = join(scratch, 'killed');
    const run = spawn(process.execPath, [CLI, ...scenario('seventy-thirty', ...SHORT), '--out', out], {
      stdio: 'ignore',
    });
    await until(run, () => measured(out).includes('"name":"calm"'));
    run.kill('SIGKILL');
    await once(run, 'close');
    expect(await onedrop('sweep', ...CLUSTER)).toMatch(/removed namespace onedrop-kubeconfig-/);
    expect(await onedrop('sweep', ...CLUSTER)).toBe('nothing was left behind\n');
  }, 600_000);
});

/** The measured cell's part of the log. */
function measured(out: string): string {
  const path = join(out, 'events.jsonl');
  return existsSync(path) ? (readFileSync(path, 'utf8').split('"evidence":"measured"')[1] ?? '') : '';
}

/** Looks ten times a second. @throws when the run ends before. */
async function until(run: ChildProcess, reached: () => boolean): Promise<void> {
  while (!reached()) {
    if (run.exitCode !== null) throw new Error(`the run ended before, with ${run.exitCode}`);
    await pause(100);
  }
}
