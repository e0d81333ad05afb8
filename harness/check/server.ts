import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { command, start } from '../../clusters/command.ts';
import { HarnessError } from '../errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';

/** How a server's process came to its end. */
export interface ServerExit {
  /** Milliseconds on the check's clock. */
  readonly at: Millis;
  readonly code: number | null;
  readonly signal: string | null;
}

/** A server that is being checked. */
export interface CheckedServer extends AsyncDisposable {
  readonly port: number;
  /** It is process 1, as in a container: the kernel gives it no signal that it has no handler for. */
  readonly isFirst: boolean;
  /** Resolves when it has ended. */
  readonly exited: Promise<ServerExit>;
  /** Whether its process does anything with SIGTERM, or waits for it; undefined: nobody can tell from here. */
  handlesTerm(): boolean | undefined;
  /** Sends SIGTERM, as a kubelet does to a container. */
  terminate(): Promise<void>;
  /** What it last wrote. */
  lastWords(): string;
}

/** Kept of what a server writes, in characters. */
const LAST_WORDS = 1000;

/** Process 1 of a PID namespace of its own, as itself and in the same network. */
const FIRST = ['unshare', '--user', '--map-current-user', '--pid', '--fork', '--kill-child', '--'];

/** Whether this machine lets one make process 1 of a namespace. */
async function canBeFirst(): Promise<boolean> {
  const [program = '', ...words] = FIRST;
  return command(program, [...words, 'true']).then(
    () => true,
    () => false,
  );
}

/** The only child of `unshare`, in this machine's numbers. */
function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    return Number(child) || undefined;
  } catch {
    return undefined;
  }
}

/** SIGTERM in the masks of /proc/PID/status. */
const TERM_BIT = 1n << 14n;

/** Whether a process has a handler for SIGTERM, or blocks it to take it by other means, as an init does. */
function handles(pid: number | undefined): boolean | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const mask = (name: string) =>
      BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1]}`);
    return ((mask('SigCgt') | mask('SigBlk')) & TERM_BIT) !== 0n;
  } catch {
    return undefined;
  }
}

/** Starts a command as process 1 of its own world where the machine allows that, with PORT in its environment. */
export async function startProcess(
  words: readonly string[],
  options: { port: number; cwd: string; env: NodeJS.ProcessEnv; clock: Clock },
): Promise<CheckedServer> {
  const { port, cwd, env, clock } = options;
  const isFirst = await canBeFirst();
  const [program = '', ...rest] = isFirst ? [...FIRST, ...words] : words;
  const child = start(program, rest, {
    cwd,
    env: { ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const own = () => (isFirst ? childOf(child.pid ?? 0) : child.pid);
  let said = '';
  for (const output of [child.stdout, child.stderr])
    output?.on('data', (text: Buffer) => {
      said = `${said}${text}`.slice(-LAST_WORDS);
    });
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('error', ({ message }) => {
      said += message;
      resolve({ at: clock.now(), code: null, signal: null });
    });
    child.once('exit', (code, signal) => resolve(exitOf(clock.now(), isFirst, code, signal)));
  });
  return {
    port,
    isFirst,
    exited,
    handlesTerm: () => handles(own()),
    async terminate() {
      const pid = own();
      if (pid !== undefined) process.kill(pid, 'SIGTERM');
    },
    lastWords: () => said.trim(),
    async [Symbol.asyncDispose]() {
      killGroup(child);
      await exited;
    },
  };
}

/** `unshare` says by 128 and a number that its child was ended by that signal. */
function exitOf(at: Millis, isFirst: boolean, code: number | null, signal: string | null): ServerExit {
  if (isFirst && code === 128 + 15) return { at, code: null, signal: 'SIGTERM' };
  return { at, code, signal };
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}

/** Runs an image with Docker, its port on loopback. @throws CommandError in Docker's own words. */
export async function startImage(
  image: string,
  options: { port: number; clock: Clock; env?: NodeJS.ProcessEnv },
): Promise<CheckedServer> {
  const { port: inside, clock, env } = options;
  const docker = (...words: string[]) => command('docker', words, env === undefined ? {} : { env });
  const publish = ['--publish', `127.0.0.1:0:${inside}`, '--env', `PORT=${inside}`];
  const id = (await docker('run', '--detach', ...publish, image)).trim();
  const removed = () => docker('rm', '--force', '--volumes', id);
  try {
    const [, port] = /:(\d+)\s*$/.exec((await docker('port', id, String(inside))).split('\n')[0] ?? '') ?? [];
    if (port === undefined) throw new HarnessError(`docker port ${id} ${inside} names no port`);
    let words = '';
    const exited = docker('wait', id).then(async (code) => {
      const at = clock.now();
      words = await docker('logs', '--tail', '5', id).catch(() => '');
      return { at, code: Number(code), signal: null };
    });
    exited.catch(() => {});
    return {
      port: Number(port),
      isFirst: true,
      exited,
      handlesTerm: () => undefined,
      terminate: async () => void (await docker('kill', '--signal', 'TERM', id)),
      lastWords: () => words.trim(),
      [Symbol.asyncDispose]: async () => void (await removed()),
    };
  } catch (error) {
    await removed().catch(() => {});
    throw error;
  }
}
