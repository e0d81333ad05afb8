import type { Clock } from '../../harness/clock.ts';
import type { Millis } from '../../harness/duration.ts';
import { HarnessError } from '../../harness/errors.ts';
import type { TimedEvent } from '../../harness/event.ts';
import type { PodProcess, PodStart } from '../control-plane/machine.ts';
import type { SimConnection } from './connection.ts';
import type { Fabric, PodEnd } from './fabric.ts';
import { gatewaySettings, SimGateway } from './gateway.ts';
import { type Address, parseAddress } from './ipv4.ts';
import type { SimNode } from './node.ts';

/** One pod: its address on a node, and the gateway process in it. */
export class SimPod implements PodEnd, PodProcess {
  readonly name: string;
  readonly address: Address;
  readonly node: SimNode;
  readonly gateway: SimGateway;
  epoch = 0;
  private state: 'starting' | 'running' | 'gone' = 'starting';
  private readonly start: PodStart;
  private readonly clock: Clock;
  private readonly fabric: Fabric;
  private readonly timer: Disposable;

  constructor(
    start: PodStart,
    host: {
      clock: Clock;
      fabric: Fabric;
      node: SimNode;
      /** From the start of the process until it listens. */
      bootTime: Millis;
      record: (event: TimedEvent) => void;
    },
  ) {
    this.start = start;
    this.clock = host.clock;
    this.fabric = host.fabric;
    this.node = host.node;
    this.name = start.pod.metadata?.name ?? '';
    this.address = parseAddress(start.address);
    const exit = (why: string) => this.exit(why);
    this.gateway = new SimGateway(gatewaySettings({ POD_NAME: this.name, ...start.env }), { ...host, exit });
    this.timer = host.clock.after(host.bootTime, () => {
      this.state = 'running';
      start.started();
    });
    host.fabric.addPod(this);
  }

  listens(port: number): boolean {
    return this.state === 'running' && port === this.gateway.settings.port;
  }

  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void {
    if (!this.node.alive) {
      this.clock.after(timeout, () => done(false));
      return;
    }
    this.clock.after(0, () => {
      const status = this.admin('GET', path, port);
      done(status !== undefined && status >= 200 && status < 400);
    });
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.state === 'gone') return;
    if (signal === 'SIGTERM' && this.state === 'running') this.gateway.terminate();
    else {
      this.gateway.kill(signal);
      this.exit(signal);
    }
  }

  async post(path: string, port: number): Promise<void> {
    const status = this.admin('POST', path, port);
    if (status === undefined)
      throw new HarnessError(`POST ${path} to pod ${this.name}: nothing listens on port ${port}`);
    if (status >= 300) throw new HarnessError(`POST ${path} to pod ${this.name}: answered ${status}`);
  }

  /** The node is gone, and with it everything on it: nobody is told anything. */
  vanish(): void {
    if (this.state === 'gone') return;
    this.gateway.kill('its node is gone');
    for (const connection of this.gateway.connections) (connection as SimConnection).vanish();
    this.ended('its node is gone');
  }

  private admin(method: string, path: string, port: number): number | undefined {
    if (this.state !== 'running' || port !== this.gateway.settings.adminPort) return undefined;
    return this.gateway.request(method, path);
  }

  /** The process ends: its kernel closes what is open, then the pod's network goes. */
  private exit(why: string): void {
    if (this.state === 'gone') return;
    for (const connection of this.gateway.connections) (connection as SimConnection).end();
    this.ended(why);
  }

  private ended(why: string): void {
    this.state = 'gone';
    this.timer[Symbol.dispose]();
    this.fabric.removePod(this);
    this.clock.after(0, () => this.start.exited(why));
  }
}
