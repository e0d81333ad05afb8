import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaseDirectory } from '../kubernetes/lease/lease.ts';

/** A node image that is in the engine, such as `kindest/node:v1.20.2`; each point takes a minute or two. */
const IMAGE = process.env.ONEDROP_KIND_IMAGE;
if (IMAGE === undefined)
  process.stdout.write('runs on kind that are killed: skipped, ONEDROP_KIND_IMAGE names no node image\n');
const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli', 'main.ts');
// Made only where a test is played: nothing runs after tests that are all skipped.
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'onedrop-kill-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const docker = (...words: string[]) =>
  execFileSync('docker', words, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
/** What everything of that run is named after; another run on this machine is none of this test's business. */
function nameOf(out: string): string {
  const path = join(out, 'run.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).id : 'a run that has not begun';
}
const itsOwn = (out: string, names: readonly string[]) => {
  const own = nameOf(out);
  return names.filter((name) => name.includes(own));
};
const containers = (out: string) => itsOwn(out, docker('ps', '--all', '--format', '{{.Names}}'));
const networks = (out: string) => itsOwn(out, docker('network', 'ls', '--format', '{{.Name}}'));
const files = (out: string) => itsOwn(out, readdirSync(leaseDirectory()));

function workingFor(out: string): string[] {
  const mark = 'ONEDROP_LEASE=';
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const words = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0');
        return words.some((word) => word.startsWith(mark) && word.includes(nameOf(out)));
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
  {
    when: 'the lease was taken and the image is built or looked for',
    reached: (out) => files(out).length > 0,
  },
  { when: 'kind is creating nodes', reached: (out) => containers(out).length > 0 },
  {
    when: 'the balancer starts',
    reached: (out) => containers(out).some((name) => name.includes('-balancer-')),
  },
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
        containers: containers(out),
        networks: networks(out),
        files: files(out),
        working: workingFor(out),
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
