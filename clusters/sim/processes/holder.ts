import type { Ending, Greeting, Socket } from '../../../harness/contracts/connection.ts';
import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { UNLIMITED } from '../../../harness/gateway/capacity.ts';
import { drainPlan } from '../../../harness/gateway/drain.ts';
import { COMES_BACK, HOLD_FOR, PATIENCE, TRY_AGAIN_LATER } from '../../../harness/gateway/holder/endings.ts';
import { MoveLog } from '../../../harness/gateway/holder/move-log.ts';
import { performPlan } from '../../../harness/gateway/perform-plan.ts';
import { type Said, saidEvent } from '../../../harness/gateway/said.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { Fabric } from '../network/fabric.ts';
import { parseAddress } from '../network/ipv4.ts';
import type { PodEnd } from '../network/pod-end.ts';
import { SimConnection } from './connection.ts';
import { gatewaySettings, SimGateway } from './gateway.ts';
import type { GatewayConnection, Relay, SimProcess, Welcome } from './process.ts';

/** Linux's net.ipv4.ip_local_port_range. */
const PORTS = { least: 32_768, count: 28_232 } as const;

interface Host {
  readonly clock: Clock;
  readonly fabric: Fabric;
  /** The holder's own pod. */
  readonly pod: Pick<PodEnd, 'address' | 'node'>;
  record(event: TimedEvent): void;
  exit(why: string): void;
}

/**
 * The modelled connection holder (harness/gateway/holder): its upstreams are connections of the simulator like the
 * clients' own, dialled from its pod at the Service's cluster IP, so they meet the rules of the pod's node. Towards
 * clients it is a gateway: it drains, and answers its admin port, as one.
 */
export class SimHolder implements SimProcess {
  readonly host: Host;
  /** For HeldClient. */
  readonly log: MoveLog;
  private readonly gateway: SimGateway;
  private readonly upstream: URL;
  private readonly clients = new Map<GatewayConnection, HeldClient>();
  private upgrading: HeldClient | undefined;
  private dialled = 0;

  constructor(env: Readonly<Record<string, string>>, host: Host) {
    this.host = host;
    // What limits the gateways' pods does not limit the holder's: it has no application.
    const settings = { ...gatewaySettings(env), capacity: UNLIMITED };
    const say = (line: Said) => {
      const event = saidEvent(settings.pod, { ...line, hop: true });
      if (event !== undefined) host.record(event);
    };
    // What the gateway in it says of itself is said of a hop.
    const record = (event: TimedEvent) => (event.type === 'gateway' ? say(event) : host.record(event));
    this.gateway = new SimGateway(settings, { ...host, record });
    this.log = new MoveLog(host.clock, say);
    this.upstream = new URL(env.UPSTREAM ?? '');
  }

  get connections(): Iterable<GatewayConnection> {
    return this.gateway.connections;
  }

  listens(port: number): boolean {
    return this.gateway.listens(port);
  }

  upgrade(connection: GatewayConnection, answer: (welcome: Welcome) => void): void {
    this.upgrading = new HeldClient(this, connection);
    answer({ relay: this.upgrading });
  }

  accept(connection: GatewayConnection): void {
    const client = this.upgrading as HeldClient;
    this.clients.set(connection, client);
    this.gateway.accept(connection);
    client.home(undefined);
  }

  left(connection: GatewayConnection): void {
    this.clients.get(connection)?.leave();
    this.clients.delete(connection);
    this.gateway.left(connection);
  }

  terminate(): void {
    this.gateway.terminate();
  }

  kill(why: string): void {
    this.gateway.kill(why);
    for (const client of this.clients.values()) client.leave();
  }

  request(method: string, path: string, port: number): number | undefined {
    const url = new URL(path, 'http://holder');
    if (port !== this.gateway.settings.adminPort || `${method} ${url.pathname}` !== 'POST /rehome')
      return this.gateway.request(method, path, port);
    const over = Number(url.searchParams.get('over') ?? 0);
    if (!(over >= 0 && Number.isFinite(over))) return 400;
    const clients = [...this.clients.values()];
    const act = (index: number) => clients[index]?.home('the holder was told to');
    performPlan(drainPlan(clients.length, over), this.host.clock, act, () => {});
    return 202;
  }

  /** For HeldClient: a connection to the versioned gateway, for this client. */
  dial(name: string, handlers: ConstructorParameters<typeof SimConnection>[3], isSettled: boolean): Socket {
    const { fabric, pod } = this.host;
    const port = PORTS.least + (this.dialled++ % PORTS.count);
    const { hostname, port: to } = this.upstream;
    const flow = fabric.flowFromPod(pod, port, parseAddress(hostname), Number(to || 80));
    return new SimConnection(this.host, flow, () => name, handlers, isSettled);
  }
}

/** One client and the upstream that serves it now; does what harness/gateway/holder/held-client.ts does. */
class HeldClient implements Relay {
  private readonly holder: SimHolder;
  private readonly connection: GatewayConnection;
  private upstream: Socket | undefined;
  /** The upstream that is being opened. */
  private opening: Socket | undefined;
  private why: string | undefined;
  private homeless: Millis | undefined;
  /** The client's ping that no upstream has answered yet. */
  private isAsked = false;
  private isGone = false;
  /** What was paid for long before the run is its first upstream. */
  private isSettled: boolean;

  constructor(holder: SimHolder, connection: GatewayConnection) {
    this.holder = holder;
    this.connection = connection;
    this.homeless = holder.host.clock.now();
    this.isSettled = connection.isSettled;
  }

  /** Opens an upstream, and closes the one before when it serves; `why` is undefined for the client's first. */
  home(why: string | undefined): void {
    this.why = why ?? this.why;
    if (this.opening !== undefined || this.isGone) return;
    const { clock } = this.holder.host;
    const upstream: Socket = this.holder.dial(
      this.connection.name,
      {
        opened: (greeting) => this.moveTo(upstream, greeting),
        rehomed: (greeting) => this.connection.greet(greeting),
        answered: () => this.answered(upstream),
        asked: () => {
          if (upstream === this.upstream) this.home('the gateway asks for it');
        },
        closed: (ending) => this.closed(upstream, ending),
      },
      this.isSettled,
    );
    this.opening = upstream;
    clock.after(PATIENCE, () => {
      if (upstream !== this.opening) return;
      upstream.destroy();
      this.tryAgain();
    });
  }

  passes(): boolean {
    this.isAsked = true;
    this.askAlive();
    return false;
  }

  /** The client is gone. */
  leave(): void {
    this.isGone = true;
    this.upstream?.close();
    this.opening?.destroy();
  }

  private moveTo(upstream: Socket, greeting: Greeting): void {
    const { upstream: old, why } = this;
    this.opening = undefined;
    this.isSettled = false;
    this.upstream = upstream;
    this.homeless = undefined;
    this.connection.greet(greeting);
    if (this.isAsked) this.askAlive();
    old?.close();
    if (why !== undefined) this.holder.log.moved(why);
    this.why = undefined;
  }

  private tryAgain(): void {
    const { clock } = this.holder.host;
    this.opening = undefined;
    if (this.isGone) return;
    if (this.homeless !== undefined && clock.now() - this.homeless >= HOLD_FOR) {
      this.holder.log.givenUp();
      this.connection.refuse(TRY_AGAIN_LATER, 'no gateway');
    } else clock.after(PATIENCE / 5, () => this.home(undefined));
  }

  private askAlive(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    upstream.ping();
    if (!this.isAsked) return;
    this.holder.host.clock.after(PATIENCE, () => {
      if (!this.isAsked || upstream !== this.upstream) return;
      this.lost();
      upstream.destroy();
      this.home('the gateway does not answer');
    });
  }

  private answered(upstream: Socket): void {
    if (upstream !== this.upstream || !this.isAsked) return;
    this.isAsked = false;
    this.connection.answer();
  }

  private closed(upstream: Socket, ending: Ending): void {
    if (upstream === this.opening) {
      this.tryAgain();
      return;
    }
    if (upstream !== this.upstream) return;
    this.lost();
    const code = ending.how === 'close' ? ending.code : 1006;
    if (COMES_BACK.has(code)) this.home(`the gateway closed with ${code}`);
    else this.connection.refuse(code, ending.how === 'close' ? ending.reason : '');
  }

  private lost(): void {
    this.upstream = undefined;
    this.homeless ??= this.holder.host.clock.now();
  }
}
