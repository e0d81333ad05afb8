import type { ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { type CommandError, command, start } from '../../command.ts';
import { httpStatus } from '../pods/http.ts';

/**
 * Starts processes for the harness. To start one, a process is copied first, which takes the longer the more memory
 * it has (10 ms at 200 MB); thousands of clients would wait for that. This one stays small. It also asks what kubelets
 * and health checks ask, so that a harness that is busy with its clients never takes an answer for late.
 * Speaks over Node's own channel: in `Request`s, out `Answer`s.
 */
export type Request =
  | {
      readonly id: number;
      readonly do: 'command';
      readonly file: string;
      readonly args: readonly string[];
      readonly input?: string;
    }
  | {
      readonly id: number;
      readonly do: 'start';
      readonly file: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string | undefined>>;
    }
  | {
      readonly id: number;
      readonly do: 'http';
      readonly method: 'GET' | 'POST';
      readonly address: string;
      readonly port: number;
      readonly path: string;
      /** Real milliseconds. */
      readonly timeout: number;
    }
  | {
      readonly id: number;
      readonly do: 'connect';
      readonly address: string;
      readonly port: number;
      /** Real milliseconds. */
      readonly timeout: number;
    }
  | { readonly id: number; readonly do: 'write'; readonly text: string }
  | { readonly id: number; readonly do: 'signal'; readonly signal: NodeJS.Signals };

export type Answer =
  | { readonly id: number; readonly output: string }
  | {
      readonly id: number;
      readonly failed: { command: string; how: string; exitCode?: number; stderr: string };
    }
  /** The answer's status, or why there was none. */
  | { readonly id: number; readonly status: number }
  /** Whether the connection was accepted in time. */
  | { readonly id: number; readonly connected: boolean }
  | { readonly id: number; readonly unanswered: string }
  /** A line that a started process wrote to its standard output. */
  | { readonly id: number; readonly line: string }
  /** It has ended and said all it had to say; `signal` or `code` tells how, `stderr` its last words. */
  | {
      readonly id: number;
      readonly ended: { code: number | null; signal: string | null; stderr: string };
    };

/** Kept of what a process writes to its standard error. */
const LAST_WORDS = 2000;

const started = new Map<number, ChildProcess>();

process.on('message', (request: Request) => {
  switch (request.do) {
    case 'command':
      run(request);
      return;
    case 'start':
      begin(request);
      return;
    case 'http':
      httpStatus(request.method, request.address, request.port, request.path, request.timeout).then(
        (status) => answer({ id: request.id, status }),
        (error: Error) => answer({ id: request.id, unanswered: error.message }),
      );
      return;
    case 'connect':
      tryConnect(request);
      return;
    case 'write':
      started.get(request.id)?.stdin?.write(request.text);
      return;
    case 'signal':
      signal(request);
  }
});
// Whoever it works for is gone; in namespaces of our own, so is everything soon.
process.on('disconnect', () => process.exit(0));

function run({ id, file, args, input }: Extract<Request, { do: 'command' }>): void {
  command(file, args, input === undefined ? {} : { input }).then(
    (output) => answer({ id, output }),
    (error: CommandError) => {
      const { command, how, exitCode, stderr } = error;
      answer({ id, failed: { command, how, stderr, ...(exitCode === undefined ? {} : { exitCode }) } });
    },
  );
}

function tryConnect({ id, address, port, timeout }: Extract<Request, { do: 'connect' }>): void {
  const socket = connect({ host: address, port, timeout });
  const tell = (connected: boolean) => {
    socket.removeAllListeners().on('error', () => {});
    // A reset, so that neither end keeps what nobody used.
    socket.resetAndDestroy();
    answer({ id, connected });
  };
  socket.on('connect', () => tell(true));
  socket.on('timeout', () => tell(false));
  socket.on('error', () => tell(false));
}

function begin({ id, file, args, env }: Extract<Request, { do: 'start' }>): void {
  const child = start(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  started.set(id, child);
  let stderr = '';
  const ended = (code: number | null, how: string | null) => {
    if (started.delete(id)) answer({ id, ended: { code, signal: how, stderr } });
  };
  child.on('error', (error) => {
    stderr = error.message;
    ended(null, null);
  });
  child.stdin?.on('error', () => {});
  child.stderr?.on('data', (data) => {
    stderr = `${stderr}${data}`.slice(-LAST_WORDS);
  });
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => answer({ id, line }));
  // 'close' and not 'exit': all that it said has been read by then.
  child.on('close', ended);
}

/** SIGKILL goes to all that the process started as well, as it does in a container; others to the process itself. */
function signal({ id, signal }: Extract<Request, { do: 'signal' }>): void {
  const pid = started.get(id)?.pid;
  if (pid === undefined) return;
  try {
    process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}

function answer(message: Answer): void {
  if (process.connected) process.send?.(message);
}
