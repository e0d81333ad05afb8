import type { Axes } from '../contracts/axes.ts';
import type { ClientAddress, ClientGroup, Socket, SocketHandlers } from '../contracts/connection.ts';
import type { TimedEvent } from '../contracts/event.ts';
import { NotReachedError } from '../errors.ts';
import type { Random } from '../statistics/random.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import { tolerated } from '../time/tolerance.ts';
import type { ClientHost, ClientSettings, ClientState } from './client.ts';
import { Client } from './client.ts';
import { DnsRecord } from './dns-record.ts';

/** No attempt is given up after less than this real time, which a busy machine may need. */
const LEAST_CONNECT_TIMEOUT = 500;

/** Late answers count as a healed silence from this model time on, and never from less than the real time that scheduling costs. */
const STALL = { model: 1000, real: 250 } as const;

/** A keep-alive's ten probes (TCP_KEEPINTVL 1 s), in model time in the simulator and in real time elsewhere. */
const PROBES = { model: 10_000, real: 10_000 } as const;

/** How many attempts may be under way at once while the fleet opens; more would only wait longer in a queue. */
export const OPENING_AT_ONCE = 64;

/** The clients that must not lose their connection, whatever the release does: a hundredth of the fleet, 10 to 100. */
export const controlClients = (clients: number) => Math.min(100, Math.max(10, Math.ceil(clients / 100)));

/** Where the fleet stands, for progress and for those who wait. */
export interface FleetCounts {
  readonly clients: number;
  readonly open: number;
  readonly away: number;
  readonly connecting: number;
  readonly givenUp: number;
  readonly byVersion: ReadonlyMap<string, number>;
  /** Connections opened since the fleet began. */
  readonly opened: number;
}

/** Thousands of simulated clients: the fleet under test and its control group. */
export class Fleet implements ClientHost {
  readonly clock: Clock;
  readonly settings: ClientSettings;
  readonly random: Random;
  readonly record: (event: TimedEvent) => void;
  readonly dial: (client: ClientAddress, handlers: SocketHandlers) => Socket;
  private readonly names: DnsRecord;
  private readonly clients: Client[] = [];
  private readonly states: Record<ClientGroup, Record<ClientState, number>>;
  private readonly versions = new Map<string, number>();
  private opened = 0;
  /** Clients of the fleet whose connection was closed for its age, and that have not come again yet. */
  private renewing = 0;
  /** While the fleet opens: who has not dialled yet. */
  private unopened: Iterator<Client> | undefined;
  private openingMore = false;
  private readonly sizes: Readonly<Record<ClientGroup, number>>;

  constructor(options: {
    clock: Clock;
    random: Random;
    axes: Axes;
    makeBeforeBreak: boolean;
    /** How many control clients there are; default: as `controlClients` says. */
    control?: number;
    /** The Service whose load balancer the clients' DNS name points at first. */
    service: string;
    record: (event: TimedEvent) => void;
    dial: (client: ClientAddress, handlers: SocketHandlers) => Socket;
  }) {
    const { clock, axes } = options;
    this.clock = clock;
    this.random = options.random;
    this.record = options.record;
    this.dial = options.dial;
    this.settings = {
      heartbeat: axes.heartbeat,
      connectTimeout: tolerated({ model: axes.connectTimeout, real: LEAST_CONNECT_TIMEOUT }, clock.speed),
      stall: tolerated(STALL, clock.speed),
      resetLateBy: axes.keepalive === undefined ? 0 : axes.keepalive + tolerated(PROBES, clock.speed),
      backoff: axes.backoff,
      backoffModel: axes.backoffModel,
      makeBeforeBreak: options.makeBeforeBreak,
    };
    const none = () => ({ idle: 0, connecting: 0, open: 0, away: 0, 'given-up': 0 });
    this.states = { fleet: none(), control: none() };
    this.sizes = { fleet: axes.clients, control: options.control ?? controlClients(axes.clients) };
    this.names = new DnsRecord(axes.dnsTtl, options.service);
    for (let number = 0; number < this.sizes.control; number++) this.add('control', number);
    for (let number = 0; number < this.sizes.fleet; number++) this.add('fleet', number);
  }

  /**
   * Opens every client, at most 64 attempts at once, so that a ramp never looks like a storm.
   * @throws NotReachedError when not all are open within `limit`.
   */
  async connect(limit: Millis, signal: AbortSignal): Promise<void> {
    const deadline = this.clock.now() + limit;
    this.unopened = this.clients.values();
    this.openMore();
    while (!this.allOpen()) {
      if (this.clock.now() > deadline) {
        const { open, clients } = this.counts();
        throw new NotReachedError(`only ${open} of ${clients} clients could connect before the release`);
      }
      await this.clock.sleep(100, signal);
    }
  }

  /** Points the clients' DNS name at another Service's load balancer; each follows once its cached answer expires. */
  point(service: string): void {
    this.names.change(service, this.clock.now());
  }

  /** For Client. */
  size(group: ClientGroup): number {
    return this.sizes[group];
  }

  /** For Client. */
  resolve(client: Client): string {
    return this.names.answer(client.name, this.clock.now());
  }

  /** Every client of the fleet is open or has given up for good, but for those whose connection was closed for its age. */
  settled(): boolean {
    const { open, 'given-up': givenUp } = this.states.fleet;
    return open + givenUp + this.renewing === this.counts().clients;
  }

  counts(): FleetCounts {
    const { idle, connecting, open, away, 'given-up': givenUp } = this.states.fleet;
    const clients = idle + connecting + open + away + givenUp;
    return { clients, open, away, connecting, givenUp, byVersion: this.versions, opened: this.opened };
  }

  /** Ends all clients without a trace in the log. */
  stop(): void {
    this.unopened = undefined;
    for (const client of this.clients) client.stop();
  }

  /** For Client. */
  changed(client: Client, from: ClientState, to: ClientState): void {
    const states = this.states[client.group];
    states[from]--;
    states[to]++;
    if (client.group === 'fleet') {
      if (from === 'open') this.count(client, -1);
      if (to === 'open') {
        this.count(client, 1);
        this.opened++;
      }
      if (client.renews) this.renewing += from === 'open' ? 1 : to === 'open' || to === 'given-up' ? -1 : 0;
    }
    if (from === 'connecting') this.openMore();
  }

  /** Each attempt that ends lets the next client dial. */
  private openMore(): void {
    if (this.openingMore) return;
    this.openingMore = true;
    while (this.unopened !== undefined && this.connecting() < OPENING_AT_ONCE) {
      const next = this.unopened.next();
      if (next.done) this.unopened = undefined;
      else next.value.connect();
    }
    this.openingMore = false;
  }

  private count(client: Client, change: number): void {
    const version = client.greeting?.version ?? 'unknown';
    this.versions.set(version, (this.versions.get(version) ?? 0) + change);
  }

  private connecting(): number {
    return this.states.fleet.connecting + this.states.control.connecting;
  }

  private allOpen(): boolean {
    return this.states.fleet.open + this.states.control.open + this.renewing === this.clients.length;
  }

  private add(group: ClientGroup, number: number): void {
    this.clients.push(new Client(this, group, number));
    this.states[group].idle++;
  }
}
