import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { pasteable, start } from '../../clusters/command.ts';
import { heed } from '../time/heed.ts';

/** How a release that somebody else made came to its end. */
export interface ReleaseEnd {
  /** Why it failed, in words; undefined: it did not. */
  readonly failed?: string;
}

/** A release under way. */
export interface Release {
  readonly name: string;
  readonly over: Promise<ReleaseEnd>;
}

/** Where releases come from: a command, whoever announces them, or nothing but time. */
export interface Releases {
  /** The next release as soon as it begins; undefined: there will be none. `stop` ends the waiting, and an announced release. */
  next(stop: AbortSignal): Promise<Release | undefined>;
  /** One has begun that `next` has not told of yet. */
  readonly isWaiting: boolean;
}

/** Option names whose value may be a secret, and assignments to such names. */
const SECRET = /((?:pass(?:word|wd)?|secret|token|credential|api-?key|private-?key|auth)[^=\s]*=)[^\s,]+/gi;
const SECRET_OPTION = /^--?[\w-]*(?:pass(?:word|wd)?|secret|token|credential|api-?key|auth)[\w-]*$/i;

/** A command as one could type it, without what looks like a secret. */
export function shownCommand([file = '', ...words]: readonly string[]): string {
  const shown = words.map((word, index) =>
    SECRET_OPTION.test(words[index - 1] ?? '') ? '...' : word.replaceAll(SECRET, '$1...'),
  );
  return pasteable(file, shown);
}

/** A command of the user's own, run once, without a shell; what it writes is passed on to `tell`, and kept in `file`. */
export class CommandRelease implements Releases {
  readonly isWaiting = false;
  private readonly words: readonly string[];
  private readonly options: {
    readonly file: string;
    readonly cwd: string;
    readonly env: NodeJS.ProcessEnv;
    /** Aborted, the command and all that it started is asked to end. */
    readonly signal: AbortSignal;
    tell(stream: 'out' | 'err', text: Buffer): void;
  };
  private begun = false;

  constructor(words: readonly string[], options: CommandRelease['options']) {
    this.words = words;
    this.options = options;
  }

  async next(): Promise<Release | undefined> {
    if (this.begun) return undefined;
    this.begun = true;
    return { name: shownCommand(this.words), over: this.run() };
  }

  private async run(): Promise<ReleaseEnd> {
    const { file, tell, signal, cwd, env } = this.options;
    const [program = '', ...words] = this.words;
    const kept = createWriteStream(file);
    const child = start(program, words, { stdio: ['ignore', 'pipe', 'pipe'], cwd, env });
    const abort = () => asked(child, 'SIGTERM');
    signal.addEventListener('abort', abort, { once: true });
    for (const [stream, output] of [
      ['out', child.stdout],
      ['err', child.stderr],
    ] as const)
      output?.on('data', (text: Buffer) => {
        kept.write(text);
        tell(stream, text);
      });
    const end = await new Promise<ReleaseEnd>((resolve) => {
      child.once('error', ({ message }) => resolve({ failed: `it could not be started (${message})` }));
      child.once('close', (code, killed) =>
        resolve(
          code === 0
            ? {}
            : { failed: killed === null ? `it ended with exit code ${code}` : `it was ended by ${killed}` },
        ),
      );
    });
    signal.removeEventListener('abort', abort);
    kept.end();
    await finished(kept).catch(() => {});
    return end;
  }
}

function asked(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}

/** Releases that somebody else announces: a pipeline at its gate, or the onlooker who sees them roll out. */
export class AnnouncedReleases implements Releases {
  private readonly most: number;
  private taken = 0;
  private queue: Release[] = [];
  private wake: (() => void) | undefined;
  private finish: ((end: ReleaseEnd) => void) | undefined;

  /** At most so many are taken. */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.most = most;
  }

  get isWaiting(): boolean {
    return this.queue.length > 0;
  }

  /** One has been announced whose end has not. */
  get isUnderWay(): boolean {
    return this.finish !== undefined;
  }

  /** False where one is under way already. */
  begin(name: string): boolean {
    if (this.finish !== undefined) return false;
    const { promise, resolve } = Promise.withResolvers<ReleaseEnd>();
    this.finish = resolve;
    this.queue.push({ name, over: promise });
    this.wake?.();
    return true;
  }

  /** False where none is under way. */
  end(end: ReleaseEnd = {}): boolean {
    const { finish } = this;
    this.finish = undefined;
    finish?.(end);
    return finish !== undefined;
  }

  async next(stop: AbortSignal): Promise<Release | undefined> {
    if (this.taken >= this.most) return undefined;
    const stopped = Promise.withResolvers<void>();
    const end = () => stopped.resolve();
    stop.addEventListener('abort', end, { once: true });
    const ended = () => this.end();
    while (this.queue.length === 0 && !stop.aborted) {
      const woken = Promise.withResolvers<void>();
      this.wake = woken.resolve;
      await Promise.race([woken.promise, stopped.promise]);
    }
    stop.removeEventListener('abort', end);
    const release = this.queue.shift();
    if (release === undefined) return undefined;
    this.taken++;
    if (stop.aborted) ended();
    else stop.addEventListener('abort', ended, { once: true });
    return release;
  }
}

/** Nobody says when a release is: all the time until it is asked to stop counts as one. */
export class WatchedTime implements Releases {
  readonly isWaiting = false;
  private begun = false;

  async next(stop: AbortSignal): Promise<Release | undefined> {
    if (this.begun) return undefined;
    this.begun = true;
    const forever = new Promise<never>(() => {});
    return { name: 'watched', over: heed(forever, stop).catch(() => ({})) };
  }
}
