import type { V1Container } from '@kubernetes/client-node';
import { HarnessError } from '../../../harness/errors.ts';
import type { Said } from '../../../harness/gateway/said.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { PodProcess } from '../../control-plane/machine.ts';
import type { LaunchedProcess, Launcher } from '../launcher/launcher.ts';
import { realTimeout } from './http.ts';

/** Lines of its standard output that are kept for the case that it ends without a word on the other one. */
const LAST_LINES = 5;

/** A POST to a gateway's admin port is given up after this many real milliseconds. */
const POST_TIMEOUT = 10_000;

export interface OwnPodStart {
  readonly namespace: string;
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  readonly container: V1Container;
  /** Model milliseconds a real one. */
  readonly speed: number;
  /** A text without the user's secrets. */
  redact(text: string): string;
  /** Whether a POST to this path lets its clients go. */
  drains(path: string): boolean;
  said(line: Said): void;
  exited(why: string): void;
}

/**
 * A process of the user's own gateway in its pod's network namespace: the container's command in its working directory.
 * It says nothing that anybody here would understand; what it was told and how it ended is said for it.
 */
export class OwnPod implements PodProcess {
  private readonly options: OwnPodStart;
  private readonly launcher: Launcher;
  private readonly process: LaunchedProcess;

  /** @throws HarnessError when the container has no command. */
  constructor(launcher: Launcher, options: OwnPodStart) {
    this.launcher = launcher;
    this.options = options;
    const { container, namespace, env, speed, redact } = options;
    const { command = [], workingDir = '/' } = container;
    if (command.length === 0) throw new HarnessError('A gateway of your own has no command to run');
    const whole = { PATH: process.env.PATH, ...env, TIME_SCALE: String(speed) };
    const lines: string[] = [];
    // env changes the directory and gives its place to the command.
    this.process = launcher.start(namespace, 'env', ['-C', workingDir, ...command], whole, {
      line(text) {
        lines.push(text);
        if (lines.length > LAST_LINES) lines.shift();
      },
      ended: (why) => {
        const words = /^exit code \d+$/.test(why) ? [why, ...lines] : [why];
        const clean = redact(words.join('\n'));
        if (clean === 'SIGKILL') options.said({ did: 'killed', why: clean });
        else options.said({ did: 'exit', why: clean });
        options.exited(clean);
      },
    });
  }

  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void {
    const { address, speed } = this.options;
    this.launcher.http('GET', address, port, path, realTimeout(timeout, speed)).then(
      (status) => done(status >= 200 && status < 400),
      () => done(false),
    );
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const { container, said } = this.options;
    const stop = (container.lifecycle?.stopSignal ?? signal) as NodeJS.Signals;
    if (signal === 'SIGTERM') said({ did: 'sigterm', why: stop });
    this.process.signal(signal === 'SIGTERM' ? stop : signal);
  }

  async post(path: string, port: number): Promise<void> {
    const { address, said } = this.options;
    const status = await this.launcher.http('POST', address, port, path, POST_TIMEOUT);
    if (status < 200 || status >= 300)
      throw new HarnessError(`POST http://${address}:${port}${path} answered ${status}, not 2xx`);
    if (this.options.drains(path)) said({ did: 'drain', why: `POST ${path}` });
  }
}
