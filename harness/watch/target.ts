import { isIP } from 'node:net';
import type { Speech } from '../config/client-protocol.ts';
import type { ClientAddress, Socket, SocketHandlers } from '../contracts/connection.ts';
import type { TimedEvent } from '../contracts/event.ts';
import { NotReachedError } from '../errors.ts';
import { DialPool } from '../fleet/dial-pool.ts';
import type { DialTarget, Tls } from '../fleet/websocket.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import { Addresses, type Resolve } from './addresses.ts';

/** What the clients of a watched gateway connect to. */
export interface TargetOptions {
  /** `ws:` or `wss:`; its path is what the handshake asks for. */
  readonly url: URL;
  /** Instead of those that the url's name stands for. */
  readonly addresses?: readonly string[];
  readonly resolve: Resolve;
  /** How long an answer of the resolver's is kept. */
  readonly ttl: Millis;
  readonly tls?: Tls;
  /** What clients send and understand; undefined: the words of the built-in gateway. */
  readonly speech: Speech | undefined;
  /** Told how long each handshake took, in milliseconds of the clock. */
  handshake?(took: Millis): void;
  /** Other processes that hold the connections; 0: this one does. */
  readonly processes: number;
}

/** How long one connection may take to open before the fleet is sent. */
const PROBE_LIMIT: Millis = 10_000;

/** Handlers that may be methods of an object, as functions. */
const handlersOf = (handlers: SocketHandlers): SocketHandlers => ({
  opened: (greeting) => handlers.opened(greeting),
  rehomed: (greeting) => handlers.rehomed?.(greeting),
  answered: () => handlers.answered(),
  asked: () => handlers.asked(),
  closed: (ending) => handlers.closed(ending),
});

/** A url without what may be a secret in it: user, password and query. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search === '' ? '' : '?...'}`;
}

/** A gateway at a url, somebody else's, as a place to dial. */
export class Target implements Disposable {
  private readonly pool: DialPool;
  private readonly addresses: Addresses | undefined;
  private readonly parts: Pick<DialTarget, 'url' | 'tls'>;
  private readonly spoken: boolean;
  private readonly shown: string;

  private readonly handshake: ((took: Millis) => void) | undefined;
  private readonly clock: Clock;

  private constructor(
    options: TargetOptions,
    clock: Clock,
    pool: DialPool,
    addresses: Addresses | undefined,
  ) {
    this.clock = clock;
    this.handshake = options.handshake?.bind(options);
    this.pool = pool;
    this.addresses = addresses;
    this.spoken = options.speech !== undefined;
    this.shown = shownUrl(options.url);
    this.parts = { url: options.url.href, ...(options.tls === undefined ? {} : { tls: options.tls }) };
  }

  /** @throws NotReachedError where the name stands for no address. */
  static async open(
    options: TargetOptions,
    clock: Clock,
    record: (event: TimedEvent) => void,
  ): Promise<Target> {
    const { url, resolve, ttl, processes, speech } = options;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const changed = (text: string) => record({ type: 'note', text });
    const pinned = options.addresses ?? [];
    let addresses: Addresses | undefined;
    if (pinned.length > 0)
      addresses = await Addresses.of({ host, resolve: async () => pinned, clock, ttl, changed });
    else if (isIP(host) === 0)
      try {
        addresses = await Addresses.of({ host, resolve, clock, ttl, changed });
      } catch (error) {
        throw new NotReachedError(`${host} stands for no address: ${(error as Error).message}`);
      }
    return new Target(options, clock, new DialPool(processes, speech, record, clock.speed), addresses);
  }

  /** Such as `192.0.2.1, 2001:db8::1`; where the url names an address, that one. */
  get words(): string {
    return this.addresses?.all.join(', ') ?? new URL(this.parts.url).hostname;
  }

  dial(_client: ClientAddress, handlers: SocketHandlers): Socket {
    const address = this.addresses?.next();
    return this.pool.dial(
      { ...this.parts, ...(address === undefined ? {} : { address }) },
      this.timed(handlers),
      this.spoken,
    );
  }

  /** The same handlers, and whoever wants to know how long the handshake took. */
  private timed(handlers: SocketHandlers): SocketHandlers {
    const { handshake } = this;
    if (handshake === undefined) return handlers;
    const begun = this.clock.now();
    return {
      ...handlersOf(handlers),
      opened: (greeting) => {
        handshake(this.clock.now() - begun);
        handlers.opened(greeting);
      },
    };
  }

  /** One connection, closed again at once. @throws NotReachedError saying why it did not open. */
  probe(clock: Clock): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = (why: string) =>
      reject(new NotReachedError(`a first connection to ${this.shown} (${this.words}) did not open: ${why}`));
    const silent = this.spoken
      ? 'it opened, but the gateway does not say what it should (version or pod)'
      : 'no greeting came within 10 s';
    const timer = clock.after(PROBE_LIMIT * clock.speed, () => fail(silent));
    const socket = this.dial(
      { group: 'fleet', number: 0, service: '' },
      {
        opened: () => resolve(),
        answered() {},
        asked() {},
        closed: (ending) => fail(ending.how === 'refused' ? ending.why : ending.how),
      },
    );
    return promise.finally(() => {
      timer[Symbol.dispose]();
      socket.destroy();
    });
  }

  [Symbol.dispose](): void {
    this.addresses?.[Symbol.dispose]();
    this.pool[Symbol.dispose]();
  }
}
