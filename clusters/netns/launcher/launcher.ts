import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HarnessError } from '../../../harness/errors.ts';
import { CommandError } from '../../command.ts';
import type { Answer, Request } from './launcher.main.ts';
import { type Namespace, within } from './namespace.ts';

const PROGRAM = fileURLToPath(new URL('./launcher.main.ts', import.meta.url));

/** What a started process does; never called before `start` has returned. */
export interface ProcessHandlers {
  /** A line of its standard output. */
  line(text: string): void;
  /** It has ended, and all its lines have come: a signal's name, 'exited', or how it failed and its last words. */
  ended(why: string): void;
}

/** A process that the launcher has started for us. */
export interface LaunchedProcess {
  /** Writes to its standard input. */
  write(text: string): void;
  /** SIGKILL reaches all that it started, too. */
  signal(signal: NodeJS.Signals): void;
}

type Request_ = Request extends infer Each ? (Each extends Request ? Omit<Each, 'id'> : never) : never;

/** Runs commands and starts processes in namespaces, by way of a small process that does nothing else. */
export class Launcher implements Disposable {
  private readonly process: ChildProcess;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private requests = 0;
  private gone: string | undefined;

  constructor() {
    // A process group of its own, so that a Ctrl-C leaves it alone.
    this.process = fork(PROGRAM, [], { execArgv: [], detached: true });
    this.process.on('message', (answer: Answer) => this.waiting.get(answer.id)?.(answer));
    this.process.on('error', (error) => this.end(error.message));
    this.process.on('exit', (code, signal) => this.end(`exit code ${code}, signal ${signal}`));
  }

  /** Runs a command in a namespace to its end and returns its output. @throws CommandError. */
  command(
    namespace: Namespace,
    file: string,
    args: readonly string[],
    options: { input?: string } = {},
  ): Promise<string> {
    const [program, words] = within(namespace, file, args);
    return new Promise((resolve, reject) => {
      const id = this.ask({ do: 'command', file: program, args: words, ...options }, (answer) => {
        this.waiting.delete(id);
        if ('output' in answer) resolve(answer.output);
        else if ('failed' in answer) {
          const { command, how, exitCode, stderr } = answer.failed;
          reject(new CommandError(command, how, exitCode, stderr));
        } else if ('ended' in answer)
          reject(new HarnessError(`The launcher ended (${answer.ended.stderr}) while it ran ${program}`));
      });
    });
  }

  /** Starts a process in a namespace that goes on running, with this environment and nothing else. */
  start(
    namespace: Namespace,
    file: string,
    args: readonly string[],
    env: Readonly<Record<string, string | undefined>>,
    handlers: ProcessHandlers,
  ): LaunchedProcess {
    const [program, words] = within(namespace, file, args);
    const id = this.ask({ do: 'start', file: program, args: words, env }, (answer) => {
      if ('line' in answer) handlers.line(answer.line);
      else if ('ended' in answer) {
        this.waiting.delete(id);
        const { code, signal, stderr } = answer.ended;
        handlers.ended(signal ?? (code === 0 ? 'exited' : `exit code ${code} ${stderr}`.trim()));
      }
    });
    return {
      write: (text) => this.send({ id, do: 'write', text }),
      signal: (signal) => this.send({ id, do: 'signal', signal }),
    };
  }

  /**
   * Sends one HTTP request from the client network and resolves with the answer's status; `timeout` is in real
   * milliseconds. @throws HarnessError when there is no answer in time.
   */
  http(
    method: 'GET' | 'POST',
    address: string,
    port: number,
    path: string,
    timeout: number,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const id = this.ask({ do: 'http', method, address, port, path, timeout }, (answer) => {
        this.waiting.delete(id);
        if ('status' in answer) resolve(answer.status);
        else {
          const why = 'unanswered' in answer ? answer.unanswered : 'the launcher ended';
          reject(new HarnessError(`${method} http://${address}:${port}${path} was not answered: ${why}`));
        }
      });
    });
  }

  /** Whether a port accepts a connection from the client network within `timeout` (real milliseconds). */
  accepts(address: string, port: number, timeout: number): Promise<boolean> {
    return new Promise((resolve) => {
      const id = this.ask({ do: 'connect', address, port, timeout }, (answer) => {
        this.waiting.delete(id);
        resolve('connected' in answer && answer.connected);
      });
    });
  }

  /** Runs lines of `ip` in a namespace, all by one process. @throws CommandError at the first line that fails. */
  async ip(namespace: Namespace, lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const where = namespace === undefined ? [] : ['-netns', namespace];
    await this.command(undefined, 'ip', [...where, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Sets kernel parameters of a namespace, given by their path under /proc/sys. @throws CommandError. */
  async sysctl(namespace: Namespace, values: Readonly<Record<string, number>>): Promise<void> {
    const byValue = new Map<number, string[]>();
    for (const [path, value] of Object.entries(values)) {
      const paths = byValue.get(value) ?? [];
      byValue.set(value, paths);
      paths.push(`/proc/sys/${path}`);
    }
    for (const [value, paths] of byValue)
      await this.command(namespace, 'tee', paths, { input: `${value}\n` });
  }

  /** Removes a namespace; what still holds it open (a closing socket) keeps only its own remains. */
  async removeNamespace(namespace: string): Promise<void> {
    try {
      await this.command(undefined, 'ip', ['netns', 'delete', namespace]);
    } catch (error) {
      // Gone already, for instance because making it had failed half-way.
      if (!(error instanceof CommandError && /No such file/.test(error.stderr))) throw error;
    }
  }

  [Symbol.dispose](): void {
    this.process.removeAllListeners('exit');
    this.process.kill('SIGKILL');
  }

  private ask(request: Request_, answered: (answer: Answer) => void): number {
    const id = ++this.requests;
    this.waiting.set(id, answered);
    this.send({ id, ...request });
    return id;
  }

  private send(request: Request): void {
    if (this.gone === undefined) this.process.send(request);
    else setImmediate(() => this.lost(request.id));
  }

  private end(why: string): void {
    this.gone ??= why;
    for (const id of [...this.waiting.keys()]) this.lost(id);
  }

  private lost(id: number): void {
    const stderr = `launcher: ${this.gone}`;
    this.waiting.get(id)?.({ id, ended: { code: null, signal: null, stderr } });
  }
}
