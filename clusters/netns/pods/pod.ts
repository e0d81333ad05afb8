import { fileURLToPath } from 'node:url';
import { HarnessError } from '../../../harness/errors.ts';
import type { Said } from '../../../harness/gateway/said.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { HOLDER_IMAGE, SUPERVISOR_IMAGE } from '../../../harness/workload/handoff-workload.ts';
import { GATEWAY_IMAGE } from '../../../harness/workload/workload.ts';
import type { PodProcess } from '../../control-plane/machine.ts';
import type { LaunchedProcess, Launcher } from '../launcher/launcher.ts';
import { realTimeout } from './http.ts';

const program = (path: string) => fileURLToPath(new URL(`../../../harness/gateway/${path}`, import.meta.url));

const GATEWAY = program('main.ts');

/** The program that runs instead of each image. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  [GATEWAY_IMAGE]: GATEWAY,
  [HOLDER_IMAGE]: program('holder/main.ts'),
  [SUPERVISOR_IMAGE]: program('handoff/main.ts'),
};

/** A POST to a gateway's admin port is given up after this many real milliseconds. */
const POST_TIMEOUT = 10_000;

export interface GatewayStart {
  /** What runs; the gateway unless said. */
  readonly program?: string;
  readonly namespace: string;
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  /** Model milliseconds a real one. */
  readonly speed: number;
  /** It listens; the built-in gateway says its process id. */
  started(pid?: number): void;
  said(line: Said): void;
  exited(why: string): void;
}

/** One real gateway process in its own network namespace. */
export class GatewayProcess implements PodProcess {
  private readonly options: GatewayStart;
  private readonly launcher: Launcher;
  private readonly process: LaunchedProcess;

  constructor(launcher: Launcher, options: GatewayStart) {
    this.launcher = launcher;
    this.options = options;
    const { program = GATEWAY, namespace, env, speed } = options;
    const whole = { PATH: process.env.PATH, ...env, TIME_SCALE: String(speed) };
    this.process = launcher.start(namespace, process.execPath, [program], whole, {
      line: (text) => {
        const line = JSON.parse(text) as Said & { pid?: number };
        if (line.did === 'listening') options.started(line.pid);
        else options.said(line);
      },
      ended: (why) => options.exited(why),
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
    this.process.signal(signal);
  }

  async post(path: string, port: number): Promise<void> {
    const { address } = this.options;
    const status = await this.launcher.http('POST', address, port, path, POST_TIMEOUT);
    if (status < 200 || status >= 300)
      throw new HarnessError(`POST http://${address}:${port}${path} answered ${status}, not 2xx`);
  }
}
