import type { Greeting } from '../../../harness/contracts/connection.ts';
import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { AGED, connectionAge, GOING_AWAY } from '../../../harness/gateway/age.ts';
import { type Capacity, capacityOf, isLimited } from '../../../harness/gateway/capacity.ts';
import { type Application, gatewayCost } from '../../../harness/gateway/cost.ts';
import { Door, type Outcome } from '../../../harness/gateway/door.ts';
import { type DrainHow, drainPlan } from '../../../harness/gateway/drain.ts';
import type { Drain } from '../../../harness/gateway/gateway.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { GatewayConnection, SimProcess, Welcome } from './process.ts';
import { ProcessorTime } from './processor-time.ts';

/** What a gateway is, as its environment says (harness/gateway/main.ts). */
export interface GatewaySettings extends Application {
  readonly version: string;
  readonly pod: string;
  readonly node: string | undefined;
  readonly port: number;
  readonly adminPort: number;
  readonly drain: Drain;
  readonly drainOver: Millis;
  readonly capacity: Capacity;
  readonly maxAge: Millis | undefined;
}

/** Reads the environment with the real gateway's defaults. */
export function gatewaySettings(env: Readonly<Record<string, string>>): GatewaySettings {
  return {
    version: env.VERSION ?? 'v1',
    pod: env.POD_NAME ?? env.HOSTNAME ?? 'gateway',
    node: env.NODE_NAME,
    port: Number(env.PORT ?? 8080),
    adminPort: Number(env.ADMIN_PORT ?? 8081),
    drain: (env.DRAIN ?? 'close-all') as Drain,
    drainOver: Number(env.DRAIN_OVER ?? 300_000),
    handshakeCpu: Number(env.HANDSHAKE_CPU ?? 0),
    messageCpu: Number(env.MESSAGE_CPU ?? 0),
    capacity: capacityOf(env),
    maxAge: env.MAX_AGE === undefined ? undefined : Number(env.MAX_AGE),
  };
}

/** What a client hears that is not let in, as `ws` and the operating system word it. */
const ANSWERS: Readonly<Partial<Record<Outcome, string>>> = {
  refused: 'Unexpected server response: 503',
  unreachable: 'connect timed out',
};

/** The modelled gateway: does what harness/gateway/gateway.ts does, without sockets. */
export class SimGateway implements SimProcess {
  readonly settings: GatewaySettings;
  private greeting: Greeting;
  readonly connections = new Set<GatewayConnection>();
  /** Those whose upgrade waits for its turn. */
  readonly waiting = new Set<GatewayConnection>();
  private readonly clock: Clock;
  /** Where its pod is limited. */
  private readonly door: Door | undefined;
  private readonly time: ProcessorTime;
  private readonly record: (event: TimedEvent) => void;
  private readonly exit: (why: string) => void;
  /** Connections accepted so far, and what closes each for its age. */
  private accepted = 0;
  private readonly ages = new Map<GatewayConnection, Disposable>();
  private ready = true;
  /** It exits as soon as no connection is left. */
  private leaving = false;
  /** Newcomers to a gateway that has closed everything are closed as well. */
  private refusing = false;
  private ended = false;
  private timer: Disposable | undefined;

  constructor(
    settings: GatewaySettings,
    host: { clock: Clock; record: (event: TimedEvent) => void; exit: (why: string) => void },
  ) {
    this.settings = settings;
    const { pod, version, node } = settings;
    this.greeting = { pod, version, ...(node === undefined ? {} : { node }) };
    this.clock = host.clock;
    this.time = new ProcessorTime(gatewayCost(settings), host.clock.now());
    this.record = host.record;
    this.exit = host.exit;
    this.door = isLimited(settings.capacity) ? this.makeDoor(host) : undefined;
  }

  listens(port: number): boolean {
    return port === this.settings.port;
  }

  upgrade(connection: GatewayConnection, answer: (welcome: Welcome | string) => void): void {
    const { door } = this;
    if (door === undefined || connection.isSettled) {
      answer({ greeting: this.greeting });
      return;
    }
    this.waiting.add(connection);
    door.handshake(connection, (outcome) => {
      this.waiting.delete(connection);
      answer(ANSWERS[outcome] ?? { greeting: this.greeting });
    });
  }

  /** For a supervisor: another worker, of this version, serves all connections from now on. */
  become(version: string): void {
    this.greeting = { ...this.greeting, version };
    for (const connection of [...this.connections]) {
      connection.greet(this.greeting);
      // It does not know how long they have been open.
      this.closeInTime(connection, false);
    }
  }

  /** A client has connected and been greeted. */
  accept(connection: GatewayConnection): void {
    this.connections.add(connection);
    this.time.opened(this.clock.now());
    this.door?.opened();
    this.closeInTime(connection, connection.isSettled);
    if (this.refusing) connection.ask('close');
  }

  /** A connection is closed, in whatever way. */
  left(connection: GatewayConnection): void {
    if (!this.connections.delete(connection)) return;
    this.ages.get(connection)?.[Symbol.dispose]();
    this.ages.delete(connection);
    this.time.ended(this.clock.now());
    this.door?.ended();
    this.endIfEmpty();
  }

  heard(): Millis {
    this.time.heard();
    return this.door?.message() ?? 0;
  }

  asked(): Millis {
    return this.door?.probe() ?? 0;
  }

  processorTime(): Millis {
    return this.time.until(this.clock.now(), this.door?.used);
  }

  private closeInTime(connection: GatewayConnection, settled: boolean): void {
    const { maxAge, pod } = this.settings;
    if (maxAge === undefined) return;
    const age = connectionAge(maxAge, pod, this.accepted++, settled);
    const close = () => {
      if (!this.ended && this.connections.has(connection)) connection.refuse(GOING_AWAY, AGED);
    };
    this.ages.get(connection)?.[Symbol.dispose]();
    this.ages.set(connection, this.clock.after(age, close));
  }

  /** SIGTERM, of which its event loop hears in turn. */
  terminate(): void {
    const wait = this.door?.turn() ?? 0;
    if (wait === 0) this.leave();
    else this.clock.after(wait, () => this.leave());
  }

  private leave(): void {
    const { drain, drainOver } = this.settings;
    if (this.leaving || this.ended) return;
    this.log('sigterm', drain);
    if (drain === 'ignore') return;
    this.leaving = true;
    if (drain === 'abrupt') this.end('abrupt');
    else
      this.start('close', drain === 'paced' ? drainOver : 0, () => {
        this.refusing = true;
        for (const connection of [...this.connections]) connection.ask('close');
        this.endIfEmpty();
      });
  }

  /** The process ends without a chance to do anything: SIGKILL, or its node is gone. */
  kill(why: string): void {
    if (this.ended) return;
    this.ended = true;
    this.timer?.[Symbol.dispose]();
    this.door?.close();
    this.log('killed', why);
  }

  /** The status that a request to the admin port is answered with. */
  request(method: string, path: string, port: number): number | undefined {
    if (port !== this.settings.adminPort) return undefined;
    const url = new URL(path, 'http://gateway');
    switch (`${method} ${url.pathname}`) {
      case 'GET /livez':
        return 200;
      case 'GET /readyz':
        return this.ready ? 200 : 503;
      case 'POST /fail-readiness':
      case 'POST /restore-readiness':
        this.ready = url.pathname === '/restore-readiness';
        return 200;
      case 'POST /drain': {
        const over = Number(url.searchParams.get('over') ?? this.settings.drainOver);
        const how = url.searchParams.get('how') ?? 'close';
        if (!(over >= 0 && Number.isFinite(over)) || (how !== 'close' && how !== 'message')) return 400;
        this.start(how, over, () => {});
        return 202;
      }
      default:
        return 404;
    }
  }

  private start(how: DrainHow, over: Millis, finished: () => void): void {
    this.log('drain', `${how} over ${over} ms`);
    const waiting = [...this.connections];
    const plan = drainPlan(waiting.length, over);
    const began = this.clock.now();
    let asked = 0;
    const turn = () => {
      const elapsed = this.clock.now() - began;
      for (; asked < plan.length && (plan[asked] as Millis) <= elapsed; asked++) {
        const connection = waiting[asked] as GatewayConnection;
        if (this.connections.has(connection)) connection.ask(how);
      }
      if (this.ended) return;
      if (asked === plan.length) finished();
      else this.timer = this.clock.after((plan[asked] as Millis) - elapsed, turn);
    };
    turn();
  }

  private makeDoor({
    clock,
    record,
    exit,
  }: {
    clock: Clock;
    record: (event: TimedEvent) => void;
    exit: (why: string) => void;
  }): Door {
    const { pod } = this.settings;
    return new Door(this.settings.capacity, gatewayCost(this.settings), {
      now: () => clock.now(),
      after: (delay, fire) => clock.after(delay, fire),
      tell: (load) => record({ type: 'load', pod, ...load }),
      // Not in the middle of what its client is doing just now.
      fell: (why) =>
        void clock.after(0, () => {
          if (this.ended) return;
          this.kill(why);
          exit(why);
        }),
    });
  }

  private endIfEmpty(): void {
    if (this.leaving && this.connections.size === 0) this.end('no connection left');
  }

  private end(why: string): void {
    if (this.ended) return;
    this.ended = true;
    this.timer?.[Symbol.dispose]();
    this.door?.close();
    this.log('exit', why);
    this.exit(why);
  }

  private log(did: 'sigterm' | 'drain' | 'exit' | 'killed', why: string): void {
    this.record({ type: 'gateway', pod: this.settings.pod, did, why, connections: this.connections.size });
  }
}
