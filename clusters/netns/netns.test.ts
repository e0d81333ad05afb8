import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { preflight } from './preflight.ts';

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli', 'main.ts');
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-netns-'));
chmodSync(scratch, 0o777);
const running: ChildProcess[] = [];
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

const usable = await preflight();
const missing = usable.usable ? undefined : usable.missing.map(({ what }) => what).join('; ');
if (missing !== undefined) process.stdout.write(`netns.test.ts: skipped, ${missing}\n`);

/** A run with 50 clients, as a process of its own; `before` is put in front of the command. */
function launch(name: string, before: readonly string[] = [], speed = 36) {
  const directory = join(scratch, name);
  const words = [...before, process.execPath, CLI, 'scenario', 'seventy-thirty', '--cluster', 'netns'];
  const options = ['--policy', 'Cluster', '--clients', '50', '--no-predict', '--format', 'json'];
  const [file = '', ...args] = [...words, ...options, '--speed', String(speed), '--out', directory];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  let printed = '';
  child.stdout.on('data', (data) => {
    printed += data;
  });
  return { child, log: join(directory, 'events.jsonl'), said: () => said, printed: () => printed };
}

/** Polls until it is so; the test's own timeout is the limit. */
async function until(holds: () => boolean, otherwise: () => string | undefined): Promise<void> {
  while (!holds()) {
    const broken = otherwise();
    if (broken !== undefined) throw new Error(broken);
    await pause(20);
  }
}

const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** Every process under `root`, itself included. */
function family(root: number): string[] {
  const parents = new Map<string, string>();
  for (const pid of processes())
    try {
      const [, parent = ''] = /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      parents.set(pid, parent);
    } catch {
      // It has ended while we looked.
    }
  const members = new Set([String(root)]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents)
      if (members.has(parent) && !members.has(pid)) {
        members.add(pid);
        grown = true;
      }
  }
  return [...members];
}

const namespaceOf = (pid: string) => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
};

test.skipIf(missing !== undefined)(
  'a run that is killed with -9 leaves no process and no namespace behind',
  async () => {
    const { child, log, said } = launch('killed');
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes('"name":"calm","edge":"begin"'),
      () => (child.exitCode === null ? undefined : `ended too early:\n${said()}`),
    );
    const members = family(child.pid as number);
    const ours = namespaceOf('self');
    const namespaces = new Set(members.map(namespaceOf).filter((name) => name !== ours && name !== ''));
    // The harness inside, three nodes, the pod and the control gateway have a network each; the launcher shares one.
    expect(namespaces.size).toBeGreaterThanOrEqual(6);
    expect(members.length).toBeGreaterThanOrEqual(9);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(
      () => members.every((pid) => isGone(pid)),
      () => undefined,
    );
    expect(processes().filter((pid) => namespaces.has(namespaceOf(pid)))).toEqual([]);
  },
);

/** Gone, or a corpse that only waits for somebody to take notice. */
function isGone(pid: string): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

test.skipIf(missing !== undefined).each(INTERRUPTS)(
  '%s ends a run in order: its log is complete and says so',
  async (signal) => {
    const { child, log, said } = launch(`ended-by-${signal}`);
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes('"name":"calm","edge":"begin"'),
      () => (child.exitCode === null ? undefined : `ended too early:\n${said()}`),
    );
    child.kill(signal);
    const [code] = await once(child, 'exit');
    expect(readFileSync(log, 'utf8').trim().split('\n').at(-1)).toContain('"outcome":"interrupted"');
    expect(code, said()).toBe(2);
  },
);

/** How many of a family run this very program or a lane of it, `unshare` with its words included. */
const runOfUs = (members: readonly string[]) =>
  members.filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return words.includes(CLI) || words.includes('lane.main.ts');
    } catch {
      return false;
    }
  }).length;

test.skipIf(missing !== undefined).each([
  ['has hardly begun', 1],
  ['makes the namespaces of a lane', 2],
  ['begins inside them, where nobody takes signals yet', 3],
])(
  'a Ctrl-C while a run %s ends it',
  async (what, processes) => {
    const { child, said } = launch(`early-${what}`, [], 0.1);
    let members: string[] = [];
    await until(
      () => {
        members = family(child.pid as number);
        return runOfUs(members) >= processes;
      },
      () => (child.exitCode === null ? undefined : `ended too early:\n${said()}`),
    );
    child.kill('SIGINT');
    const [code, signal] = await once(child, 'exit');
    expect([2, 130, 'SIGINT'], said()).toContain(signal ?? code);
    await until(
      () => members.every(isGone),
      () => undefined,
    );
  },
  30_000,
);

test.skipIf(missing !== undefined).each([
  ['its nodes come up', '"type":"run"'],
  ['v1 is waited for', '"name":"v1 serves","edge":"begin"'],
])(
  'while %s, the first Ctrl-C ends a run whose time hardly passes',
  async (what, reached) => {
    // A model second is ten real ones: whoever waits for time to pass would wait for minutes.
    const { child, log, said } = launch(`interrupted-while-${what}`, [], 0.1);
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes(reached),
      () => (child.exitCode === null ? undefined : `ended too early:\n${said()}`),
    );
    const members = family(child.pid as number);
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    expect(code, said()).toBe(2);
    expect(readFileSync(log, 'utf8').trim().split('\n').at(-1)).toContain('"outcome":"interrupted"');
    expect(members.filter((pid) => !isGone(pid))).toEqual([]);
  },
  30_000,
);

test.skipIf(missing !== undefined)(
  "a node's agent that is killed is the harness's own death: the cell is unknown, whatever was lost",
  async () => {
    const { child, log, said, printed } = launch('agent');
    await until(
      () => existsSync(log) && readFileSync(log, 'utf8').includes('"name":"calm","edge":"begin"'),
      () => (child.exitCode === null ? undefined : `ended too early:\n${said()}`),
    );
    const agent = family(child.pid as number).find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node-agent.main'),
    );
    process.kill(Number(agent), 'SIGKILL');
    await once(child, 'exit');
    const { cells } = JSON.parse(printed()) as { cells: { verdict: string; why: string[] }[] };
    expect(cells[0]).toMatchObject({ verdict: 'unknown' });
    expect(cells[0]?.why[0]).toMatch(/^the harness's own part died: agent of node-\d, which answers its/);
  },
);

const asNobody = () => {
  if (missing !== undefined) return missing;
  if (process.getuid?.() !== 0) return undefined;
  const script = `await import(${JSON.stringify(join(import.meta.dirname, 'preflight.ts'))}).then(async ({ preflight }) => { const result = await preflight(); if (!result.usable) throw new Error(JSON.stringify(result.missing)); });`;
  const [file = '', ...args] = [...NOBODY, process.execPath, '--input-type=module', '--eval', script];
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8', cwd: scratch });
  return status === 0 ? undefined : `an unprivileged user cannot run it here: ${stderr.slice(0, 300)}`;
};
const unprivileged = asNobody();
if (unprivileged !== undefined && missing === undefined)
  process.stdout.write(`netns.test.ts: one test skipped, ${unprivileged}\n`);

test.skipIf(unprivileged !== undefined)('an unprivileged user needs nobody to let them measure', async () => {
  const { child, said, printed } = launch('nobody', process.getuid?.() === 0 ? NOBODY : []);
  const [code] = await once(child, 'exit');
  expect(code, said()).toBe(0);
  const { cells } = JSON.parse(printed()) as {
    cells: { dropped: number; clients: number; verdict: string }[];
  };
  expect(cells).toMatchObject([{ clients: 50, dropped: 0, verdict: 'pass' }]);
});
