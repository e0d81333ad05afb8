import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { HarnessError } from '../../../harness/errors.ts';
import type { IngressProxy } from '../../../harness/platforms/proxies.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import { hopEvent, type RunningProxy } from '../../control-plane/ingress/running-proxy.ts';
import type { PodProcess } from '../../control-plane/machine.ts';
import { Haproxy } from '../haproxy/haproxy.ts';
import { haproxyMissing } from '../haproxy/haproxy-missing.ts';
import type { Launcher } from '../launcher/launcher.ts';
import { Nginx } from '../nginx/nginx.ts';
import { nginxMissing } from '../nginx/nginx-missing.ts';
import { httpStatus, realTimeout } from './http.ts';
import type { ProxyHost, ProxyProgram, ProxySettings } from './proxy-program.ts';

/** As many as Debian's file-descriptor limits allow, two for each client; ingress-nginx has 16384 as well. */
const CONNECTIONS = 16_384;
/** ingress-nginx has a worker for each core of its node; two, so that a reload has more than one to replace. */
const WORKERS = 2;

/** The real programs: how each is run, and what keeps it from running on this machine. */
const PROGRAMS: Readonly<
  Record<
    NonNullable<IngressProxy['program']>,
    {
      run(options: ProxySettings & ProxyHost): ProxyProgram;
      readonly missing: string | undefined;
    }
  >
> = {
  nginx: {
    // Root of this user namespace, which has no other user.
    run: (options) => new Nginx({ ...options, workers: WORKERS, workerConnections: CONNECTIONS, root: true }),
    missing: nginxMissing(),
  },
  haproxy: {
    run: (options) => new Haproxy({ ...options, threads: WORKERS, connections: CONNECTIONS }),
    missing: haproxyMissing(),
  },
};

/** Why this proxy cannot be played by a real program here; undefined where it can. */
export const proxyMissing = ({ program, title }: IngressProxy): string | undefined =>
  program === undefined
    ? `no real ${title} is played here; the simulator models it`
    : PROGRAMS[program].missing;

export interface ProxyPodStart {
  readonly is: RunningProxy;
  readonly launcher: Launcher;
  readonly namespace: string;
  readonly address: string;
  readonly clock: Clock;
  started(): void;
  record(event: TimedEvent): void;
  exited(why: string): void;
}

/** A pod of the ingress controller: a real proxy in the pod's network namespace, with its files in the run's own /run. */
export class ProxyPod implements PodProcess {
  private readonly options: ProxyPodStart;
  private readonly program: ProxyProgram;
  /** The last lines that it logged, for whoever must know why it ended. */
  private readonly lines: string[] = [];

  /** @throws HarnessError where no real program plays this proxy. */
  constructor(options: ProxyPodStart) {
    this.options = options;
    const { is, launcher, namespace, address, clock, record, exited } = options;
    const why = proxyMissing(is.proxy);
    if (why !== undefined || is.proxy.program === undefined)
      throw new HarnessError(`Cannot start pod ${is.pod}: ${why}`);
    this.program = PROGRAMS[is.proxy.program].run({
      directory: `/run/${is.proxy.program}-${namespace}`,
      address,
      is,
      speed: clock.speed,
      clock,
      start: (file, args, handlers) =>
        launcher.start(namespace, file, args, { PATH: process.env.PATH }, handlers),
      acted: (act) => {
        if (act.connections > 0) record(hopEvent(is, act));
      },
      logged: (line) => {
        this.lines.push(line);
        if (this.lines.length > 20) this.lines.shift();
      },
      exited: (ended) =>
        exited(ended === 'exited' || ended === 'SIGKILL' ? ended : `${ended}\n${this.lines.join('\n')}`),
    });
    this.program.ready().then(
      () => options.started(),
      () => {},
    );
  }

  configure(config: IngressConfig, reload: boolean): Promise<void> {
    return this.program.configure(config, reload);
  }

  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void {
    const { address, clock } = this.options;
    httpStatus('GET', address, port, path, realTimeout(timeout, clock.speed)).then(
      (status) => done(status >= 200 && status < 400),
      () => done(false),
    );
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (signal === 'SIGTERM') this.program.terminate();
    else this.program.kill();
  }

  async post(path: string): Promise<void> {
    throw new HarnessError(`Cannot POST ${path} to an ingress controller: it has no admin port`);
  }
}
