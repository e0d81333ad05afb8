import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { HarnessError } from '../../../harness/errors.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import type { LaunchedProcess } from '../launcher/launcher.ts';
import type { ProxyHost, ProxyProgram } from '../pods/proxy-program.ts';
import {
  ADMIN_SOCKET,
  FRONTEND,
  HAPROXY,
  type HaproxySettings,
  haproxyConf,
  placesOf,
  placing,
} from './haproxy-conf.ts';

/** How one is run. */
export type HaproxyOptions = HaproxySettings & ProxyHost;

/** How often a master that does not answer yet is asked, and how many real milliseconds from one time to the next. */
const PATIENCE = { tries: 500, wait: 20 } as const;
/** The socket of the master, which is no part of its configuration. */
const MASTER_SOCKET = 'master.sock';

/**
 * One HAProxy with its controller's duties, as haproxy-ingress runs it: master and worker, told of endpoints by its
 * socket as long as there are slots, else by SIGUSR2, which leaves the connections to the worker of before.
 */
export class Haproxy implements ProxyProgram {
  private readonly options: HaproxyOptions;
  private readonly process: Pick<LaunchedProcess, 'signal'>;
  private readonly listening: Promise<void>;
  /** The places of each backend, as the running worker has them. */
  private places = new Map<string, readonly (string | undefined)[]>();
  /** When each worker was told to go, by process id. */
  private readonly old = new Map<number, Millis>();
  private worker = 0;
  /** Resolves the reload that is under way. */
  private loaded: (() => void) | undefined;

  constructor(options: HaproxyOptions) {
    this.options = options;
    mkdirSync(options.directory, { recursive: true });
    this.write({ locations: [], backends: [] });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.listening = promise;
    this.listening.catch(() => {});
    this.loaded = () => this.attends().then(resolve, reject);
    const master = ['-S', join(options.directory, MASTER_SOCKET)];
    const command = [HAPROXY, '-W', ...master, '-f', join(options.directory, 'haproxy.cfg')];
    this.process = options.start('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command], {
      line: (line) => this.read(line),
      ended: (why) => {
        reject(new HarnessError(`HAProxy ended (${why}) before it listened`));
        if (this.old.size > 0) this.loaded?.();
        options.exited(why);
      },
    });
  }

  /** Resolves once HAProxy accepts connections. @throws HarnessError when it ended instead. */
  ready(): Promise<void> {
    return this.listening;
  }

  /** Hands HAProxy a configuration: with a reload, or by its socket. @throws HarnessError when it does not take it. */
  async configure(config: IngressConfig, reload: boolean): Promise<void> {
    await this.listening;
    if (reload) {
      const connections = await this.connections();
      this.write(config);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.loaded = () => this.attends().then(resolve, reject);
      this.process.signal('SIGUSR2');
      this.options.acted({ act: 'reload', connections });
      this.old.set(this.worker, this.options.clock.now());
      await promise;
      this.places = new Map(config.backends.map((backend) => [backend.name, placesOf(backend)]));
      return;
    }
    for (const { name, endpoints } of config.backends) {
      const { commands, places } = placing(name, this.places.get(name) ?? [], endpoints);
      this.places.set(name, places);
      if (commands.length > 0) await this.ask(commands.join('; '));
    }
  }

  /** SIGTERM of its pod: it ends, and its connections with it. */
  terminate(): void {
    const end = (connections: number) => {
      this.options.acted({ act: 'terminated', connections });
      this.process.signal('SIGTERM');
    };
    this.connections().then(end, () => end(0));
  }

  /** At once, with all its workers. */
  kill(): void {
    this.process.signal('SIGKILL');
  }

  /**
   * Resolves once the master answers: having loaded it executes itself anew, and a signal that comes before it is done
   * is lost. @throws HarnessError when it does not answer in time.
   */
  private async attends(): Promise<void> {
    const { clock, speed } = this.options;
    for (let tries = 1; ; tries++) {
      try {
        await this.ask('show proc', MASTER_SOCKET);
        return;
      } catch (error) {
        if (tries === PATIENCE.tries) throw error;
      }
      await clock.sleep(PATIENCE.wait * speed);
    }
  }

  /** Those of the worker that accepts new ones. */
  private async connections(): Promise<number> {
    const line = (await this.ask('show stat'))
      .split('\n')
      .find((each) => each.startsWith(`${FRONTEND},FRONTEND,`));
    return Number(line?.split(',')[4] ?? 0);
  }

  private write(config: Pick<IngressConfig, 'locations' | 'backends'>): void {
    writeFileSync(join(this.options.directory, 'haproxy.cfg'), haproxyConf(config, this.options));
  }

  private read(line: string): void {
    const { logged, acted } = this.options;
    logged(line);
    const [, forked] = /New worker \((\d+)\) forked/.exec(line) ?? [];
    if (forked !== undefined) this.worker = Number(forked);
    if (line.includes('Loading success')) this.loaded?.();
    // Which side was silent for timeout tunnel, in the data phase.
    if (/^onedrop ended \d+ [cs]D/.test(line)) acted({ act: 'idle', connections: 1 });
    const [, pid, left] = /\((\d+)\) : Proxy ingress hard-stopped \((\d+) remaining/.exec(line) ?? [];
    const since = this.old.get(Number(pid));
    if (since !== undefined && Number(left) > 0) acted({ act: 'shutdown', connections: Number(left), since });
    const [, gone] = /Former worker \((\d+)\) exited/.exec(line) ?? [];
    if (gone !== undefined) this.old.delete(Number(gone));
  }

  private ask(command: string, socketName: string = ADMIN_SOCKET): Promise<string> {
    const path = join(this.options.directory, socketName);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(
          new HarnessError(
            `HAProxy could not be asked \`${command}\` on ${path}: ${error.message}${existsSync(path) ? '' : ' (there is no such socket)'}`,
          ),
        );
      let text = '';
      const socket = createConnection(path, () => socket.end(`${command}\n`));
      socket
        .setEncoding('utf8')
        .on('data', (data: string) => {
          text += data;
        })
        .on('error', fail)
        .on('end', () => resolve(text));
    });
  }
}
