import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { command } from '../../command.ts';

/** Set for everything inside to the network namespace that was left, so that inside can be told from outside. */
const OUTSIDE = 'ONEDROP_OUTSIDE_NAMESPACE';

/** Namespaces of one's own: the network to build in, mounts for /run and /proc, and processes that end together. */
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_USER = ['--user', '--map-root-user'];

/** Whether this process runs inside namespaces that `inside` made. */
export function isInside(): boolean {
  const outside = process.env[OUTSIDE];
  return outside !== undefined && outside !== networkNamespace();
}

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
 * `--kill-child` and `--pdeathsig` tie it to its parents. A channel among `stdio` reaches the program itself.
 * @throws CommandError when the machine does not allow such namespaces.
 */
export async function inside(
  argv: readonly string[],
  options: Pick<SpawnOptions, 'stdio' | 'serialization'>,
): Promise<ChildProcess> {
  const unshare = await unshareArguments();
  const words = [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...unshare,
    process.execPath,
    ...process.execArgv,
    ...argv,
  ];
  return spawn('setpriv', words, {
    ...options,
    env: { ...process.env, [OUTSIDE]: networkNamespace() },
    // A session of its own: a Ctrl-C reaches only this process, which tells it.
    detached: true,
  });
}

const networkNamespace = () => readlinkSync('/proc/self/ns/net');
