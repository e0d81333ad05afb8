import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { closeSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { constants } from 'node:os';
import { command } from '../../command.ts';

/** Set for everything inside to the network namespace that was left, so that inside can be told from outside. */
const OUTSIDE = 'ONEDROP_OUTSIDE_NAMESPACE';

/** Set likewise to the process id of whoever left it; inside, ids begin at 1 again and name nobody. */
const LAUNCHER = 'ONEDROP_LAUNCHER_PID';

/** Set to the file descriptor of a listening socket that was opened outside and handed in. */
const LISTENER = 'ONEDROP_LISTENER_FD';

/** Set to the file descriptor of a pipe by which the inside says that it takes signals. */
const READY = 'ONEDROP_READY_FD';

/**
 * What asks a run to end in order: Ctrl-C, whoever manages it, and the terminal that is closed. The first process of a
 * PID namespace ignores what it does not handle, so whatever is passed on must be handled inside.
 */
export const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Namespaces of one's own: the network to build in, mounts for /run and /proc, and processes that end together. */
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const AS_USER = ['--user', '--map-root-user'];

/** Whether this process runs inside namespaces that `relaunch` made. */
export function isInside(): boolean {
  const outside = process.env[OUTSIDE];
  return outside !== undefined && outside !== networkNamespace();
}

/** The process id by which the rest of the machine knows this run. */
export const launcherPid = (): number => Number((isInside() && process.env[LAUNCHER]) || process.pid);

/** The listening socket that `relaunch` was asked to open outside, for `server.listen`; undefined where there is none. */
export const inheritedListener = (): { fd: number } | undefined =>
  isInside() && process.env[LISTENER] !== undefined ? { fd: Number(process.env[LISTENER]) } : undefined;

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
 * `--kill-child` and `--pdeathsig` tie it to its parents. `listener` is a socket of this side that it gets.
 */
async function inNamespaces(argv: readonly string[], listener: number | undefined): Promise<ChildProcess> {
  const unshare = await unshareArguments();
  const stdio: StdioOptions = ['inherit', 'inherit', 'inherit', 'pipe'];
  if (listener !== undefined) stdio.push(listener);
  return spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...unshare, process.execPath, ...argv], {
    stdio,
    env: {
      ...process.env,
      [OUTSIDE]: networkNamespace(),
      [LAUNCHER]: String(process.pid),
      [READY]: '3',
      [LISTENER]: listener === undefined ? undefined : '4',
    },
    // A session of its own: a Ctrl-C reaches only this process, which passes it on once.
    detached: true,
  });
}

/**
 * Runs this very program again, with the same arguments, in fresh namespaces, passes signals on, and ends as it
 * ends. Returns only inside. `listen` is a port of loopback (0: any) that the rest of the machine can reach the
 * program at, see `inheritedListener`.
 * @throws CommandError when the machine does not allow such namespaces, Error when the port is taken.
 */
export async function relaunch(options: { listen?: number } = {}): Promise<void> {
  if (isInside()) return takeSignals();
  const server = options.listen === undefined ? undefined : await listener(options.listen);
  const child = await inNamespaces([...process.execArgv, ...process.argv.slice(1)], descriptor(server));
  // The socket lives on in the child; from here on only the child accepts.
  server?.close();
  let ready = false;
  child.stdio[3]?.once('data', () => {
    ready = true;
  });
  for (const signal of INTERRUPTS)
    process.on(signal, () => {
      if (ready) return forward(child, signal);
      // Inside it would be ignored: nothing has begun there yet, and nothing needs to be ended in order.
      child.kill('SIGKILL');
      process.exit(128 + constants.signals[signal]);
    });
  await new Promise<never>((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      process.exit(code ?? 128 + (constants.signals[signal as NodeJS.Signals] ?? 0)),
    );
  });
}

/** From here on this process, the first of its PID namespace, is ended by what would end any other, until somebody else handles that. */
function takeSignals(): void {
  const descriptor = Number(process.env[READY]);
  if (process.env[READY] === undefined) return;
  delete process.env[READY];
  for (const signal of INTERRUPTS)
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  writeSync(descriptor, 'ready');
  closeSync(descriptor);
}

async function listener(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

/** Node hands sockets to its own kind only by a channel, which would not survive `unshare`; the number does. */
const descriptor = (server: Server | undefined): number | undefined =>
  (server as unknown as { _handle: { fd: number } } | undefined)?._handle.fd;

/** `unshare` itself holds signals back, so they are sent to its child. */
function forward(child: ChildProcess, signal: NodeJS.Signals): void {
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
