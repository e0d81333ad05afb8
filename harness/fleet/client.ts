import type { BackoffModel } from '../contracts/axes.ts';
import {
  type ClientAddress,
  type Ending,
  type Greeting,
  isAged,
  type Socket,
  type SocketHandlers,
} from '../contracts/connection.ts';
import type { ClientName, TimedEvent } from '../contracts/event.ts';
import { clientName } from '../contracts/event.ts';
import type { Random } from '../statistics/random.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import type { BackoffMemory } from './backoff.ts';
import { nextWait } from './backoff.ts';

/** What all clients of a fleet share. */
export interface ClientSettings {
  readonly heartbeat: Millis;
  /** An attempt that has not opened by then is given up. */
  readonly connectTimeout: Millis;
  /** An answer that takes longer than this was a silence that healed, and is logged as such. */
  readonly stall: Millis;
  /** How long ago what a reset tells of may have happened: 0 but for TCP's keep-alive, which finds out by and by. */
  readonly resetLateBy: Millis;
  readonly backoff: Millis;
  readonly backoffModel: BackoffModel;
  readonly makeBeforeBreak: boolean;
}

/** What a client needs from its fleet. */
export interface ClientHost {
  readonly clock: Clock;
  readonly settings: ClientSettings;
  readonly random: Random;
  dial(client: ClientAddress, handlers: SocketHandlers): Socket;
  /** Clients in a group. */
  size(group: ClientAddress['group']): number;
  /** The Service that a client's cached DNS answer names now. */
  resolve(client: Client): string;
  record(event: TimedEvent): void;
  /** Called at each change of state, for the fleet's counts. */
  changed(client: Client, from: ClientState, to: ClientState): void;
}

const GOLDEN_SECTION = (Math.sqrt(5) - 1) / 2;
/** Clients whose pings follow one another. */
const MOST_NEIGHBOURS = 64;

export type ClientState = 'idle' | 'connecting' | 'open' | 'away' | 'given-up';

/**
 * One simulated client: connects, pings every heartbeat, takes an unanswered ping for a drop, waits as its
 * back-off says, and connects again, for as long as its fleet lives. The same code on every cluster.
 */
export class Client implements ClientAddress {
  readonly group: ClientAddress['group'];
  readonly number: number;
  state: ClientState = 'idle';
  greeting: Greeting | undefined;
  /** Its last connection was closed for its age, and it has not come again yet. */
  renews = false;
  private readonly host: ClientHost;
  private connection: Connection | undefined;
  /** The connection being opened: the only one while away, a second one with make-before-break. */
  private opening: Connection | undefined;
  private timer: Disposable | undefined;
  private attempts = 0;
  private backoff: BackoffMemory | undefined;
  private random: Random | undefined;
  /** It has been open before. */
  private returned = false;

  constructor(host: ClientHost, group: ClientAddress['group'], number: number) {
    this.host = host;
    this.group = group;
    this.number = number;
  }

  get service(): string {
    return this.host.resolve(this);
  }

  get isSettled(): boolean {
    return !this.returned;
  }

  get name(): ClientName {
    return clientName(this.group, this.number);
  }

  /** Dials; the outcome is logged, and what follows happens by itself. */
  connect(): void {
    this.attempts++;
    if (this.state !== 'open') this.become('connecting');
    this.opening = new Connection(this, this.host);
    this.opening.dial();
  }

  /** Ends everything, without a trace in the log: the run is over. */
  stop(): void {
    this.timer?.[Symbol.dispose]();
    this.opening?.abandon();
    this.connection?.abandon();
    this.opening = undefined;
    this.connection = undefined;
  }

  /** For Connection: the gateway said hello. */
  opened(connection: Connection, greeting: Greeting): void {
    const old = this.connection;
    if (old !== undefined) {
      this.lost(old, { how: 'close', code: 1000, reason: '' }, { asked: true, replaced: true });
      old.leave();
      // Leaves the old version's count, before the greeting changes.
      this.become('connecting');
    }
    this.opening = undefined;
    this.connection = connection;
    this.greeting = greeting;
    this.host.record({
      type: 'open',
      client: this.name,
      pod: greeting.pod,
      version: greeting.version,
      ...(greeting.node === undefined ? {} : { node: greeting.node }),
      ...(greeting.hop === undefined ? {} : { hop: greeting.hop }),
      attempts: this.attempts,
    });
    this.attempts = 0;
    this.backoff = undefined;
    this.become('open');
    this.renews = false;
    connection.startHeartbeat(this.phase());
  }

  /** For Connection: another gateway has taken the connection over. */
  rehomed(connection: Connection, greeting: Greeting): void {
    if (this.connection !== connection) return;
    // Leaves the old version's count, before the greeting changes.
    this.become('connecting');
    this.greeting = greeting;
    this.host.record({ type: 'rehomed', client: this.name, ...greeting });
    this.become('open');
  }

  /** For Connection: an attempt failed. */
  failed(connection: Connection, why: string): void {
    if (this.opening === connection) this.opening = undefined;
    this.host.record({ type: 'refused', client: this.name, attempt: this.attempts, why });
    // A make-before-break client that could not open its new connection keeps the old one and tries again.
    this.retry();
  }

  /** For Connection: an open connection ended, or its heartbeat found it dead. */
  dropped(connection: Connection, ending: Ending | { how: 'silence' }): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.renews = isAged(ending);
    this.lost(connection, ending, {});
    // A new connection is already on its way where the gateway had asked for one.
    if (this.opening !== undefined) this.become('connecting');
    else this.retry();
  }

  /** For Connection: the gateway asks this client to come again. */
  asked(connection: Connection): void {
    if (this.connection !== connection) return;
    if (this.host.settings.makeBeforeBreak) {
      if (this.opening === undefined) this.connect();
      return;
    }
    this.connection = undefined;
    this.lost(connection, { how: 'close', code: 1000, reason: '' }, { asked: true });
    connection.leave();
    this.retry();
  }

  private lost(
    connection: Connection,
    ending: Ending | { how: 'silence' },
    marks: { asked?: true; replaced?: true },
  ): void {
    const { pod, version } = this.greeting as Greeting;
    this.host.record({
      type: 'closed',
      client: this.name,
      pod,
      version,
      ending,
      lastAnswer: connection.lastAnswer,
      ...marks,
    });
  }

  private retry(): void {
    const { settings, clock } = this.host;
    this.backoff ??= { attempt: 0, previous: 0, minimum: 0 };
    const wait = nextWait(settings.backoffModel, settings.backoff, this.backoff, this.draw());
    if (wait === undefined) {
      this.host.record({ type: 'gave-up', client: this.name, attempts: this.attempts });
      if (this.connection === undefined) this.become('given-up');
      return;
    }
    if (this.connection === undefined) this.become('away');
    this.timer = clock.after(wait, () => this.connect());
  }

  /**
   * When the first ping follows: a whole heartbeat after a return, as clients do. The fleet's first pings are spread
   * evenly over the heartbeat instead, for a fleet that has been there for long is not in step. Neighbours ping one
   * after the other, which keeps together in memory what is touched together; but only a few, whose turns lie a golden
   * section apart, so that those who are left while others are asked to go in order still ping evenly.
   */
  private phase(): Millis {
    const { heartbeat } = this.host.settings;
    if (this.returned) return heartbeat;
    this.returned = true;
    const size = this.host.size(this.group);
    const neighbours = Math.max(1, Math.min(MOST_NEIGHBOURS, Math.floor(size / 512)));
    const turn = Math.floor(this.number / neighbours) * GOLDEN_SECTION + (this.number % neighbours) / size;
    return 1 + Math.floor((turn % 1) * heartbeat);
  }

  private draw(): Random {
    this.random ??= this.host.random.fork(this.name);
    return this.random;
  }

  private become(state: ClientState): void {
    if (state === this.state) return;
    const from = this.state;
    this.state = state;
    this.host.changed(this, from, state);
  }
}

/** One connection of a client from dial to end; forwards what its socket says to the client. */
class Connection implements SocketHandlers {
  lastAnswer: Millis = 0;
  private isOpen = false;
  private readonly client: Client;
  private readonly host: ClientHost;
  private socket: Socket | undefined;
  private timer: Disposable | undefined;
  /** When the ping that waits for its answer was sent; -1 when none does. */
  private pingedAt: Millis = -1;
  private readonly beat = () => this.heartbeat();

  constructor(client: Client, host: ClientHost) {
    this.client = client;
    this.host = host;
  }

  dial(): void {
    this.timer = this.host.clock.after(this.host.settings.connectTimeout, () => {
      this.abandon();
      this.client.failed(this, 'timeout');
    });
    this.socket = this.host.dial(this.client, this);
  }

  startHeartbeat(phase: Millis): void {
    this.timer = this.host.clock.every(this.host.settings.heartbeat, phase, this.beat);
  }

  opened(greeting: Greeting): void {
    this.timer?.[Symbol.dispose]();
    this.isOpen = true;
    this.lastAnswer = this.host.clock.now();
    this.client.opened(this, greeting);
  }

  rehomed(greeting: Greeting): void {
    this.client.rehomed(this, greeting);
  }

  answered(): void {
    const now = this.host.clock.now();
    if (this.pingedAt >= 0 && now - this.pingedAt > this.host.settings.stall)
      this.host.record({ type: 'healed', client: this.client.name, silent: now - this.lastAnswer });
    this.pingedAt = -1;
    this.lastAnswer = now;
  }

  asked(): void {
    this.lastAnswer = this.host.clock.now();
    this.client.asked(this);
  }

  closed(ending: Ending): void {
    this.timer?.[Symbol.dispose]();
    this.socket = undefined;
    if (!this.isOpen) {
      this.client.failed(this, describe(ending));
      return;
    }
    // With no ping unanswered the connection was good until now, or until its TCP asked; otherwise it is dated back like a silence.
    const late = ending.how === 'reset' ? this.host.settings.resetLateBy : 0;
    if (this.pingedAt < 0) this.lastAnswer = Math.max(this.lastAnswer, this.host.clock.now() - late);
    this.client.dropped(this, ending);
  }

  /** Closes in the WebSocket's own way; the client is done with it. */
  leave(): void {
    this.timer?.[Symbol.dispose]();
    this.socket?.close();
    this.socket = undefined;
  }

  abandon(): void {
    this.timer?.[Symbol.dispose]();
    this.socket?.destroy();
    this.socket = undefined;
  }

  private heartbeat(): void {
    if (this.pingedAt >= 0) {
      this.abandon();
      this.client.dropped(this, { how: 'silence' });
      return;
    }
    this.pingedAt = this.host.clock.now();
    this.socket?.ping();
  }
}

function describe(ending: Ending): string {
  switch (ending.how) {
    case 'close':
      return `closed ${ending.code} ${ending.reason}`.trim();
    case 'fin':
      return 'closed before the greeting';
    case 'reset':
      return 'connection reset';
    case 'harness-died':
      return 'the process of the harness that dialled has died';
    case 'refused':
      return ending.why;
  }
}
