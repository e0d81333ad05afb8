/**
 * `node harness/bench/kill-rounds.main.ts [--rounds 100] [--seed 1]`: plays a short release on netns again and again,
 * and at a random moment kills the whole with -9, interrupts it, or kills any one of its processes. Afterwards nothing
 * may be left (processes, namespaces, mounts, temporary files), the log must be readable up to the kill, and the report
 * of what is left must say `unknown` wherever the cell did not come to its end. Ends with 1 when a round broke a promise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { preflight } from '../../clusters/netns/preflight.ts';
import { runVerdict } from '../../reports/result/result-document.ts';
import { readRun } from '../../reports/stored/stored-run.ts';
import { Random } from '../statistics/random.ts';

const CLI = join(import.meta.dirname, '..', 'cli', 'main.ts');
const SHORT = ['seventy-thirty', '--policy', 'Cluster', '--clients', '50', '--speed', '36', '--no-predict'];

/** Real milliseconds that what was killed may take to be gone, and a run that lost a process to come to an end. */
const GONE_WITHIN = 10_000;
const ENDS_WITHIN = 120_000;

/** Every process of a round inherits it, whatever becomes of its parents. */
const MARK = 'ONEDROP_KILL_ROUND';

const WAYS = ['kill all', 'interrupt', 'kill one'] as const;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' } },
});
const rounds = Number(values.rounds);
const seed = Number(values.seed);
const say = (text: string) => process.stdout.write(`${text}\n`);

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-kill-rounds-'));
const usable = await preflight();
if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seed) && usable.usable)) {
  if (usable.usable) process.stderr.write('--rounds and --seed must be whole numbers\n');
  else for (const { what, mend } of usable.missing) process.stderr.write(`${what}; ${mend}\n`);
  process.exit(64);
}

interface Run {
  readonly child: ChildProcess;
  readonly name: string;
  /** Where its log goes, and its temporary files. */
  readonly out: string;
  readonly temporary: string;
  readonly said: () => string;
}

function launch(round: number): Run {
  const name = `${process.pid}-${round}`;
  const out = join(scratch, `out-${round}`);
  const temporary = join(scratch, `tmp-${round}`);
  mkdirSync(temporary);
  const words = ['scenario', ...SHORT, '--cluster', 'netns', '--no-config', '--out', out];
  const child = spawn(process.execPath, [CLI, ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, TMPDIR: temporary, [MARK]: name },
  });
  let said = '';
  child.stderr?.on('data', (data) => {
    said += data;
  });
  return { child, name, out, temporary, said: () => said };
}

const isRunning = ({ child }: Run) => child.exitCode === null && child.signalCode === null;

/** What /proc says of a process; empty where it has ended, or is another user's. */
function look<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
const NAMESPACES = ['net', 'mnt', 'pid'] as const;
const namespaceOf = (pid: string, kind: string) => look(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const isCorpse = (pid: string) => look(() => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) ?? true;
const commandOf = (pid: string) =>
  look(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()) ?? '';

/** By the mark, and by what their parents are: not every process is given the environment. */
function membersOf({ child, name }: Run): string[] {
  const parents = new Map<string, string>();
  const members = new Set([String(child.pid)]);
  for (const pid of processes()) {
    const stat = look(() => readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? '';
    parents.set(pid, /\) \S (\d+)/.exec(stat)?.[1] ?? '');
    const environment = look(() => readFileSync(`/proc/${pid}/environ`, 'utf8')) ?? '';
    if (environment.split('\0').includes(`${MARK}=${name}`)) members.add(pid);
  }
  for (let size = 0; size < members.size; ) {
    size = members.size;
    for (const [pid, parent] of parents) if (members.has(parent)) members.add(pid);
  }
  return [...members].filter((pid) => !isCorpse(pid));
}

/** Where a round would have left a mount or a name outside of its own namespaces; others' come and go. */
const OURS = /\/run\/netns\/(node-|pod-|balancer|control|onedrop)|onedrop-kill-rounds/;
const mounts = () =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => OURS.test(line));
const named = () =>
  (look(() => readdirSync('/run/netns')) ?? []).filter((name) => OURS.test(`/run/netns/${name}`));

/** What of a run is still there. */
function leftOf(run: Run, members: readonly string[], namespaces: ReadonlySet<string>): string[] {
  const left = new Set([...membersOf(run), ...members.filter((pid) => !isCorpse(pid))]);
  for (const pid of processes())
    if (!isCorpse(pid) && NAMESPACES.some((kind) => namespaces.has(namespaceOf(pid, kind) ?? '')))
      left.add(pid);
  return [...left].map((pid) => `process ${pid} (${commandOf(pid)})`);
}

/** Lines of the log that are not whole, but for the last, which the kill may have cut. */
function unreadable(log: string): string[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
  return lines.flatMap((line, index) => {
    try {
      JSON.parse(line);
      return [];
    } catch {
      return [`line ${index + 1} of the log cannot be read: ${line.slice(0, 80)}`];
    }
  });
}

async function verdictOf(run: Run): Promise<{ verdict: string; finished: boolean }> {
  const log = join(run.out, 'events.jsonl');
  // A run that had not begun has left nothing that a report could be made of.
  if (!existsSync(log) || readFileSync(log, 'utf8') === '') return { verdict: 'unknown', finished: false };
  const finished = readFileSync(log, 'utf8').includes('"type":"end","outcome":"finished"');
  return { verdict: runVerdict(await readRun(run.out)), finished };
}

/** Plays one round and says what it broke. */
async function play(
  round: number,
  random: Random,
  length: number,
): Promise<{ what: string; broken: string[] }> {
  const before = new Set([...mounts(), ...named()]);
  const run = launch(round);
  const exited = once(run.child, 'exit');
  const way = WAYS[round % WAYS.length] ?? 'kill all';
  const moment = random.integer(0, Math.round(0.8 * length));
  await Promise.race([pause(moment), exited]);
  const members = membersOf(run);
  const own = new Set(NAMESPACES.flatMap((kind) => namespaceOf('self', kind) ?? []));
  const spaces = members.flatMap((pid) => NAMESPACES.flatMap((kind) => namespaceOf(pid, kind) ?? []));
  const namespaces = new Set(spaces.filter((name) => !own.has(name)));
  const others = members.filter((pid) => pid !== String(run.child.pid));
  let victim = String(run.child.pid);
  if (way === 'kill one' && others.length > 0)
    victim = others[random.integer(0, others.length - 1)] ?? victim;
  const what = `${way} after ${moment} ms: ${commandOf(victim).split(' ').slice(0, 4).join(' ') || 'it has ended'}`;
  const broken: string[] = [];
  if (isRunning(run)) look(() => process.kill(Number(victim), way === 'interrupt' ? 'SIGINT' : 'SIGKILL'));
  const end = await Promise.race([exited, pause(ENDS_WITHIN, undefined, { ref: false })]);
  if (end === undefined) {
    broken.push(`it does not end within ${ENDS_WITHIN / 1000} s`);
    run.child.kill('SIGKILL');
    await exited;
  }
  let left = leftOf(run, members, namespaces);
  for (let waited = 0; left.length > 0 && waited < GONE_WITHIN; waited += 100) {
    await pause(100);
    left = leftOf(run, members, namespaces);
  }
  broken.push(...left);
  broken.push(
    ...[...mounts(), ...named()].filter((one) => !before.has(one)).map((one) => `mount or name ${one}`),
  );
  const files = readdirSync(run.temporary, { recursive: true, withFileTypes: true });
  broken.push(...files.filter((file) => !file.isDirectory()).map(({ name }) => `temporary file ${name}`));
  broken.push(...unreadable(join(run.out, 'events.jsonl')));
  const { verdict, finished } = await verdictOf(run).catch((error: Error) => {
    broken.push(`what is left cannot be reported: ${error.message}`);
    return { verdict: 'unknown', finished: false };
  });
  if (!finished && verdict !== 'unknown')
    broken.push(`the cell did not come to its end, and the report says ${verdict}`);
  if (broken.length > 0) broken.push(`it said: ${run.said().trim().slice(-500)}`);
  return { what: `${what}; ${verdict}`, broken };
}

const random = new Random(seed).fork('kill rounds');
say(`seed ${seed}; first a round that nobody disturbs`);
const begun = performance.now();
const undisturbed = launch(-1);
await once(undisturbed.child, 'exit');
const length = Math.round(performance.now() - begun);
const { verdict } = await verdictOf(undisturbed);
say(`it takes ${length} ms and says ${verdict}`);
if (!['pass', 'fail'].includes(verdict)) {
  process.stderr.write(`${undisturbed.said()}\n`);
  process.exit(70);
}
let bad = 0;
for (let round = 0; round < rounds; round++) {
  const { what, broken } = await play(round, random.fork(String(round)), length);
  if (broken.length > 0) bad++;
  say(
    `${round + 1}/${rounds} ${broken.length === 0 ? 'ok' : 'BROKEN'} ${what}${broken.map((each) => `\n    ${each}`).join('')}`,
  );
}
say(
  bad === 0
    ? 'nothing was left, and no verdict was given too much'
    : `${bad} of ${rounds} rounds broke a promise: ${scratch}`,
);
if (bad === 0) rmSync(scratch, { recursive: true, force: true });
process.exitCode = bad === 0 ? 0 : 1;
