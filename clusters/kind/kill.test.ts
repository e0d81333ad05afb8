import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { leaseDirectory } from '../kubernetes/lease.ts';

/** A node image that is in the engine, such as `kindest/node:v1.20.2`; each point takes a minute or two. */
const IMAGE = process.env.ONEDROP_KIND_IMAGE;
if (IMAGE === undefined)
  process.stdout.write('runs on kind that are killed: skipped, ONEDROP_KIND_IMAGE names no node image\n');
const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli.ts');
const scratch = mkdtempSync(join(tmpdir(), 'onedrop-kill-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const docker = (...words: string[]) =>
  execFileSync('docker', words, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
const containers = () =>
  docker('ps', '--all', '--format', '{{.Names}}').filter((name) => /^onedrop-kind/.test(name));
const networks = () =>
  docker('network', 'ls', '--format', '{{.Name}}').filter((name) => /^onedrop-kind/.test(name));
const files = () => readdirSync(leaseDirectory()).filter((name) => name.startsWith('onedrop-kind'));

function workingFor(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return /(^|\0)ONEDROP_LEASE=onedrop-kind/.test(readFileSync(`/proc/${name}/environ`, 'utf8'));
      } catch {
        return false;
      }
    });
}

/** The measured cell's part of the log. */
function measured(out: string): string {
  const path = join(out, 'events.jsonl');
  return existsSync(path) ? (readFileSync(path, 'utf8').split('"evidence":"measured"')[1] ?? '') : '';
}

const POINTS: readonly { readonly when: string; reached(out: string): boolean }[] = [
  { when: 'the lease was taken and the image is built or looked for', reached: () => files().length > 0 },
  { when: 'kind is creating nodes', reached: () => containers().length > 0 },
  { when: 'the balancer starts', reached: () => containers().some((name) => name.includes('-balancer-')) },
  { when: 'clients are connected', reached: (out) => measured(out).includes('"name":"calm"') },
  {
    when: 'the cell has ended and all is being removed',
    reached: (out) => measured(out).includes('"type":"end"'),
  },
];

describe.skipIf(IMAGE === undefined)('a run on kind that is killed with -9', () => {
  test.each(POINTS.map((point, place) => ({ ...point, place })))(
    'while $when leaves nothing that sweep does not find',
    async ({ reached, place }) => {
      const out = join(scratch, String(place));
      const words = [
        'scenario',
        'seventy-thirty',
        '--cluster',
        'kind',
        '--node-image',
        IMAGE ?? '',
        '--nodes',
        '1',
      ];
      words.push('--clients', '50', '--heartbeat', '1s', '--backoff', '5s', '--out', out);
      const run = spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      run.stderr.on('data', (data) => {
        said += data;
      });
      await until(
        run,
        () => reached(out),
        () => said,
      );
      run.kill('SIGKILL');
      await once(run, 'close');
      const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'sweep']);
      expect(stdout).not.toBe('');
      expect({
        containers: containers(),
        networks: networks(),
        files: files(),
        working: workingFor(),
      }).toEqual({
        containers: [],
        networks: [],
        files: [],
        working: [],
      });
    },
    600_000,
  );
});

/** Looks ten times a second. @throws when the run ends before. */
async function until(run: ChildProcess, reached: () => boolean, said: () => string): Promise<void> {
  while (!reached()) {
    if (run.exitCode !== null) throw new Error(`the run ended before, with ${run.exitCode}:\n${said()}`);
    await pause(100);
  }
}
