import type { Greeting } from '../../../harness/contracts/connection.ts';
import type { DrainHow } from '../../../harness/gateway/drain.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { GatewayConnection, Relay, SimProcess, Welcome } from './process.ts';

/** A proxy that holds connections. */
export interface HoldingProxy {
  readonly host: { readonly clock: Clock };
  /** The connection is over, and both its ends know. */
  forget(held: Held): void;
  /** No byte came for as long as the proxy tolerates; it is about to end this connection. */
  idled(held: Held): void;
}

/**
 * One client's connection as a proxy holds it: what the process behind it sees of the client, and the other way
 * round. Two TCP connections, of which the second is good as long as the pod and its node are.
 */
export class Held implements GatewayConnection, Relay, Disposable {
  readonly connection: GatewayConnection;
  readonly name: string;
  readonly behind: SimProcess;
  /** What the proxy tells groups of connections apart by, such as its generations of workers. */
  readonly group: string | number;
  private readonly proxy: HoldingProxy;
  private readonly idle: Millis;
  private relay: Relay | undefined;
  /** When a byte last came, from either side. */
  private last: Millis;
  private timer: Disposable | undefined;
  private isUpstreamSilent = false;

  /** `idle`: no byte either way for this long and it is ended; Infinity: never. */
  constructor(
    proxy: HoldingProxy,
    connection: GatewayConnection,
    behind: SimProcess,
    options: { readonly idle: Millis; readonly group: string | number },
  ) {
    this.proxy = proxy;
    this.connection = connection;
    this.name = connection.name;
    this.behind = behind;
    this.idle = options.idle;
    this.group = options.group;
    this.last = proxy.host.clock.now();
  }

  get isSettled(): boolean {
    return this.connection.isSettled;
  }

  get hasLeft(): boolean {
    return this.connection.hasLeft;
  }

  /** Passes the upgrade request on, and the answer to it back. */
  upgrade(answer: (welcome: Welcome | string) => void): void {
    this.behind.upgrade(this, (welcome) => {
      if (typeof welcome === 'string') {
        answer(welcome);
        return;
      }
      this.relay = welcome.relay;
      answer({ ...welcome, relay: this });
    });
  }

  delay(): Millis {
    return this.behind.heard?.() ?? this.relay?.delay?.() ?? 0;
  }

  begin(): void {
    this.behind.accept(this);
    if (Number.isFinite(this.idle)) this.watch(this.idle);
  }

  passes(): boolean {
    this.last = this.proxy.host.clock.now();
    return !this.isUpstreamSilent && (this.relay?.passes() ?? true);
  }

  /** The proxy ends it, at both sides. */
  close(): void {
    this.proxy.forget(this);
    this.leave();
    this.connection.end();
  }

  /** The client is gone. */
  leave(): void {
    if (!this.isUpstreamSilent) this.behind.left(this);
  }

  /** The gateway sends a close frame or a message, which is passed on. */
  ask(how: DrainHow): void {
    this.heard();
    this.connection.ask(how);
  }

  refuse(code: number, reason: string): void {
    this.heard();
    this.connection.refuse(code, reason);
  }

  greet(greeting: Greeting): void {
    this.heard();
    this.connection.greet(greeting);
  }

  answer(): void {
    this.heard();
    this.connection.answer();
  }

  /** The gateway's end is closed: the proxy closes the client's. */
  end(): void {
    this.proxy.forget(this);
    this.connection.end();
  }

  vanish(): void {
    this.isUpstreamSilent = true;
  }

  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
  }

  private heard(): void {
    this.last = this.proxy.host.clock.now();
  }

  private watch(wait: Millis): void {
    const { clock } = this.proxy.host;
    this.timer = clock.after(wait, () => {
      const left = this.last + this.idle - clock.now();
      if (left > 0) {
        this.watch(left);
        return;
      }
      this.proxy.idled(this);
      this.close();
    });
  }
}
