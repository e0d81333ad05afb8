import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { HarnessError } from '../../../harness/errors.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import type { LaunchedProcess } from '../launcher/launcher.ts';
import type { ProxyHost, ProxyProgram } from '../pods/proxy-program.ts';
import { backendsText, CONFIGURATION_SOCKET, NGINX, type NginxSettings, nginxConf } from './nginx-conf.ts';

/** How one is run. */
export type NginxOptions = Omit<NginxSettings, 'luaDirectory'> & ProxyHost;

/** Real milliseconds within which connections that end with the shutdown timer are known to end by it. */
const AT_ONCE = 250;

/** Its log goes to standard error, which is where it can go before it has read anything. */
const command = (directory: string) => [NGINX, '-p', `${directory}/`, '-e', 'stderr', '-c', 'nginx.conf'];

/** One nginx with its controller's duties: configured without a reload where that is enough, else by SIGHUP. */
export class Nginx implements ProxyProgram {
  private readonly options: NginxOptions;
  private readonly process: Pick<LaunchedProcess, 'signal'>;
  private readonly listening: Promise<void>;
  /** Workers of before a reload, by process id: when they were told to go, and who ended on them since. */
  private readonly old = new Map<number, { since: Millis; ended: Millis[] }>();

  constructor(options: NginxOptions) {
    this.options = options;
    mkdirSync(options.directory, { recursive: true });
    this.write([]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.listening = promise;
    this.listening.catch(() => {});
    this.process = options.start('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command(options.directory)], {
      line: (line) => {
        if (line.includes('start worker processes')) resolve();
        this.read(line);
      },
      ended: (why) => {
        reject(new HarnessError(`nginx ended (${why}) before it listened`));
        options.exited(why);
      },
    });
  }

  /** Resolves once nginx accepts connections. @throws HarnessError when it ended instead. */
  ready(): Promise<void> {
    return this.listening;
  }

  /**
   * Hands nginx a configuration as ingress-nginx does: a reload first, where one is needed, then the backends, which
   * the workers pick up within a second of model time. @throws HarnessError when nginx does not take it.
   */
  async configure(config: IngressConfig, reload: boolean): Promise<void> {
    await this.listening;
    if (reload) {
      this.write(config.locations);
      const connections = await this.connections();
      this.process.signal('SIGHUP');
      this.options.acted({ act: 'reload', connections });
    }
    await this.ask('POST', '/configuration/backends', backendsText(config));
  }

  /** Proxied connections of the workers that accept new ones. */
  private async connections(): Promise<number> {
    const counts = (await this.ask('GET', '/connections')).trim().split('\n').filter(Boolean);
    return counts
      .map((line) => line.split('\t').map(Number) as [pid: number, connections: number])
      .filter(([pid]) => !this.old.has(pid))
      .reduce((sum, [, connections]) => sum + connections, 0);
  }

  /**
   * SIGTERM of its pod: no new connections, the established ones keep until the shutdown timeout (ing nginx.go Stop), or
   * end with it (ngf build/entrypoint.sh).
   */
  terminate(): void {
    const { keeps } = this.options.is.proxy.termination;
    const [act, signal] =
      keeps === 'reload' ? (['quit', 'SIGQUIT'] as const) : (['terminated', 'SIGTERM'] as const);
    const end = (connections: number) => {
      this.options.acted({ act, connections });
      this.process.signal(signal);
    };
    this.connections().then(end, () => end(0));
  }

  /** At once, with all its workers. */
  kill(): void {
    this.process.signal('SIGKILL');
  }

  private write(locations: IngressConfig['locations']): void {
    const settings = { ...this.options, luaDirectory: import.meta.dirname };
    writeFileSync(join(this.options.directory, 'nginx.conf'), nginxConf(locations, settings));
  }

  private read(line: string): void {
    this.options.logged(line);
    const now = this.options.clock.now();
    const [, process] = /\[\w+\] (\d+)#/.exec(line) ?? [];
    const pid = Number(process);
    if (line.includes('gracefully shutting down')) this.old.set(pid, { since: now, ended: [] });
    if (line.includes('onedrop ended')) this.old.get(pid)?.ended.push(now);
    if (line.includes('upstream timed out') && line.includes('upgraded connection'))
      this.options.acted({ act: 'idle', connections: 1 });
    const [, gone] = /worker process (\d+) exited/.exec(line) ?? [];
    if (gone !== undefined) this.workerGone(Number(gone));
  }

  private workerGone(pid: number): void {
    const worker = this.old.get(pid);
    this.old.delete(pid);
    const { keeps } = this.options.is;
    if (worker === undefined || keeps === undefined) return;
    const due = worker.since + keeps - AT_ONCE * this.options.speed;
    const connections = worker.ended.filter((at) => at >= due).length;
    if (connections > 0) this.options.acted({ act: 'shutdown', connections, since: worker.since });
  }

  private ask(method: string, path: string, body = ''): Promise<string> {
    const socketPath = join(this.options.directory, CONFIGURATION_SOCKET);
    const fail = (why: string) =>
      new HarnessError(
        `nginx could not be asked ${method} ${path} on ${socketPath}: ${why}${existsSync(socketPath) ? '' : ' (there is no such socket)'}`,
      );
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath, method, path, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (data: string) => {
          text += data;
        });
        response.on('end', () => {
          const { statusCode = 0 } = response;
          if (statusCode >= 200 && statusCode < 300) resolve(text);
          else reject(fail(`it answered ${statusCode}`));
        });
      });
      asked.on('error', (error) => reject(fail(error.message)));
      asked.end(body);
    });
  }
}
