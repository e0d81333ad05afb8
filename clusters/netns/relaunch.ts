import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { command } from '../command.ts';

/** Set for everything inside to the network namespace that was left, so that inside can be told from outside. */
const OUTSIDE = 'ONEDROP_OUTSIDE_NAMESPACE';

/** Set likewise to the process id of whoever left it; inside, ids begin at 1 again and name nobody. */
const LAUNCHER = 'ONEDROP_LAUNCHER_PID';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Namespaces of one's own: the network to build in, mounts for /run and /proc, and processes that end together. */
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_USER = ['--user', '--map-root-user'];

/** Whether this process runs inside namespaces that `relaunch` (or `inNamespaces`) made. */
export function isInside(): boolean {
  const outside = process.env[OUTSIDE];
  return outside !== undefined && outside !== networkNamespace();
}

/** The process id by which the rest of the machine knows this run. */
export const launcherPid = (): number => Number((isInside() && process.env[LAUNCHER]) || process.pid);

/**
 * Arguments of `unshare` that work here: with a user namespace, so that no root is needed, else without one.
 * @throws CommandError of the first way when no way works.
 */
export async function unshareArguments(): Promise<readonly string[]> {
  try {
    await command('unshare', [...AS_USER, ...NAMESPACES, 'true']);
    return [...AS_USER, ...NAMESPACES];
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await command('unshare', [...NAMESPACES, 'true']).catch(() => {
      throw error;
    });
    return NAMESPACES;
  }
}

/**
 * Runs a program of Node's in fresh namespaces, as root of them. The kernel kills it and everything it started when
 * it ends, or when this process ends, in whatever way: the program is the first process of its PID namespace, and
 * `--kill-child` and `--pdeathsig` tie it to its parents.
 */
export async function inNamespaces(
  argv: readonly string[],
  options: { stdio: 'inherit' | 'pipe'; env?: NodeJS.ProcessEnv },
): Promise<ChildProcess> {
  const unshare = await unshareArguments();
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...unshare, process.execPath, ...argv], {
    stdio: options.stdio,
    env: { ...(options.env ?? process.env), [OUTSIDE]: networkNamespace(), [LAUNCHER]: String(process.pid) },
    // A session of its own: a Ctrl-C reaches only this process, which passes it on once.
    detached: true,
  });
}

/**
 * Runs this very program again, with the same arguments, in fresh namespaces, passes signals on, and ends as it
 * ends. Returns only inside. @throws CommandError when the machine does not allow such namespaces.
 */
export async function relaunch(): Promise<void> {
  if (isInside()) return;
  const child = await inNamespaces([...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' });
  for (const signal of SIGNALS) process.on(signal, () => forward(child, signal));
  await new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      process.exit(code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)),
    );
  });
}

/** `unshare` itself holds signals back, so they are sent to its child. */
export function forward(child: ChildProcess, signal: NodeJS.Signals): void {
  for (const pid of childrenOf(child.pid ?? 0))
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended in the meantime, and so shall we.
    }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
}

const networkNamespace = () => readlinkSync('/proc/self/ns/net');
