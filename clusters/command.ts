import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { HarnessError, InterruptedError } from '../harness/errors.ts';
import type { Millis } from '../harness/time/duration.ts';
import { ScaledClock } from '../harness/time/scaled-clock.ts';

/** A command could not be started or ended with anything but 0; the message can be pasted into a shell. */
export class CommandError extends HarnessError {
  override readonly name = 'CommandError';
  readonly command: string;
  /** Such as 'ended with exit code 1'. */
  readonly how: string;
  readonly exitCode: number | undefined;
  readonly stderr: string;

  constructor(command: string, how: string, exitCode: number | undefined, stderr: string) {
    super(`${command}\n  ${how}${stderr.trim() === '' ? '' : `:\n${indent(stderr.trim())}`}`);
    this.command = command;
    this.how = how;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

export interface CommandOptions {
  /** Written to the command's standard input, which is empty otherwise. */
  readonly input?: string;
  /** The command's whole environment; the harness's own by default. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Ends the command, with all that it started, when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** What does not end when it is asked to is killed after this much real time. */
const END_WITHIN: Millis = 500;

/**
 * Runs a command to its end without a shell and returns what it wrote to standard output.
 * @throws CommandError when it cannot be started or does not end with exit code 0, InterruptedError once an aborted one has ended.
 */
export function command(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { input, signal, ...rest } = options;
    if (signal?.aborted) return reject(new InterruptedError('interrupted'));
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const fail = (how: string, code?: number) =>
      reject(new CommandError(pasteable(file, args, input), how, code, Buffer.concat(err).toString()));
    const child = start(file, args, { ...rest, stdio: ['pipe', 'pipe', 'pipe'] });
    const abort = () => endGroup(child);
    signal?.addEventListener('abort', abort, { once: true });
    child.on('error', (error) => fail(`could not be started (${error.message})`));
    child.stdout?.on('data', (data: Buffer) => out.push(data));
    child.stderr?.on('data', (data: Buffer) => err.push(data));
    // A command that ends before it has read its input says why by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
    child.on('close', (code, how) => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(new InterruptedError('interrupted'));
      else if (code === 0) resolve(Buffer.concat(out).toString());
      else if (code === null) fail(`was ended by ${how}`);
      else fail(`ended with exit code ${code}`, code);
    });
  });
}

/** Asks a process and all of its group to end, and kills them soon after; then nobody's output is waited for any more. */
function endGroup(child: ChildProcess): void {
  const tell = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // They have ended in the meantime.
    }
  };
  tell('SIGTERM');
  const timer = new ScaledClock().after(END_WITHIN, () => {
    tell('SIGKILL');
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  child.on('close', () => timer[Symbol.dispose]());
}

/** As `command`; what it wrote, by lines that are not empty. */
export const lines = async (
  file: string,
  args: readonly string[],
  run: typeof command = command,
): Promise<string[]> => (await run(file, args)).split('\n').filter((line) => line !== '');

/**
 * Starts a command that goes on running, in a process group of its own, so that a Ctrl-C on the terminal reaches
 * only the harness, which ends the rest in order.
 */
export function start(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(file, args, { ...options, detached: true });
}

/** Lines of an input that are worth showing in an error. */
const SHOWN_LINES = 20;

/** The command as one could type it, with its input as a here-document. */
export function pasteable(file: string, args: readonly string[], input?: string): string {
  const line = [file, ...args].map(quoted).join(' ');
  if (input === undefined || input === '') return line;
  const lines = input.trimEnd().split('\n');
  const shown = lines
    .slice(0, SHOWN_LINES)
    .map((text) => (text.length > 300 ? `${text.slice(0, 300)} ...` : text));
  if (lines.length > SHOWN_LINES) shown.push(`# ... and ${lines.length - SHOWN_LINES} more lines`);
  return `${line} <<'END'\n${shown.join('\n')}\nEND`;
}

const quoted = (word: string) =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
const indent = (text: string) => text.replaceAll(/^/gm, '  ');
