import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { HarnessError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { hopEvent, type IngressConfig } from '../../control-plane/ingress/ingress.ts';
import type { PodProcess } from '../../control-plane/machine.ts';
import type { Launcher } from '../launcher/launcher.ts';
import { httpStatus, realTimeout } from '../pods/http.ts';
import { Nginx } from './nginx.ts';

/** As many as Debian's file-descriptor limits allow, two for each client; ingress-nginx has 16384 as well. */
const WORKER_CONNECTIONS = 16_384;
/** ingress-nginx has one for each core of its node; two, so that a reload has more than one worker to replace. */
const WORKERS = 2;

export interface NginxPodStart {
  readonly name: string;
  readonly launcher: Launcher;
  readonly namespace: string;
  readonly address: string;
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  started(): void;
  record(event: TimedEvent): void;
  exited(why: string): void;
}

/** A pod of the ingress controller: a real nginx in the pod's network namespace, with its files in the run's own /run. */
export class NginxPod implements PodProcess {
  private readonly options: NginxPodStart;
  private readonly nginx: Nginx;
  /** The last lines that nginx logged, for whoever must know why it ended. */
  private readonly lines: string[] = [];

  constructor(options: NginxPodStart) {
    this.options = options;
    const { name, launcher, namespace, address, env, clock, record, exited } = options;
    const directory = `/run/nginx-${namespace}`;
    this.nginx = new Nginx({
      directory,
      address,
      port: Number(env.PORT ?? 8080),
      healthPort: Number(env.HEALTH_PORT ?? 10_254),
      workers: WORKERS,
      workerConnections: WORKER_CONNECTIONS,
      speed: clock.speed,
      // Root of this user namespace, which has no other user.
      root: true,
      clock,
      start: (file, args, handlers) =>
        launcher.start(namespace, file, args, { PATH: process.env.PATH }, handlers),
      acted: (act) => {
        if (act.connections > 0) record(hopEvent(name, act));
      },
      logged: (line) => {
        this.lines.push(line);
        if (this.lines.length > 20) this.lines.shift();
      },
      exited: (why) =>
        exited(why === 'exited' || why === 'SIGKILL' ? why : `${why}\n${this.lines.join('\n')}`),
    });
    this.nginx.ready().then(
      () => options.started(),
      () => {},
    );
  }

  configure(config: IngressConfig, reload: boolean): Promise<void> {
    return this.nginx.configure(config, reload);
  }

  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void {
    const { address, clock } = this.options;
    httpStatus('GET', address, port, path, realTimeout(timeout, clock.speed)).then(
      (status) => done(status >= 200 && status < 400),
      () => done(false),
    );
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGTERM') this.nginx.terminate();
    else this.nginx.kill();
  }

  async post(path: string): Promise<void> {
    throw new HarnessError(`Cannot POST ${path} to an ingress controller: it has no admin port`);
  }
}
