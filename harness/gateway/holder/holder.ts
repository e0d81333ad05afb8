import { drainPlan } from '../drain.ts';
import { Gateway, type GatewayOptions } from '../gateway.ts';
import { performPlan } from '../perform-plan.ts';
import { HeldClient, type HeldClientHost } from './held-client.ts';
import { MoveLog } from './move-log.ts';

/** What a holder is and what it needs from its process; time is the model's. */
export interface HolderOptions extends Omit<GatewayOptions, 'serve' | 'command'> {
  /** Where the versioned gateway is reached, such as `ws://10.96.100.1:80`: a Service, which is what is switched. */
  readonly upstream: string;
  /** How long an upstream may take to open, or to answer a ping; well below the clients' heartbeat. */
  readonly patience: number;
  /** How long a client is kept without any upstream before it is closed with 1013. */
  readonly holdFor: number;
}

/** How many upstreams may be in their handshake at once; the others wait, so that a gateway's end is no storm. */
const OPENING_AT_ONCE = 100;

/**
 * The connection holder: a thin, rarely released process that terminates the clients' WebSockets and keeps one
 * upstream WebSocket for each to the versioned gateway. When an upstream goes (close 1001, 1011 to 1014, no close
 * frame, a ping without an answer, the gateway's request to reconnect), or when it is told to on its admin port
 * (POST `/rehome?over=60000`, evenly over so many milliseconds), it opens a new one through the Service, which by
 * then selects the new version. The client keeps its connection and hears the new gateway's greeting; message
 * order within one upstream is kept, and state that the gateway keeps per connection has to be found again by
 * the new one (this only moves bytes). What was said to a gateway that dies is lost with it, as ever. Closing codes that are meant for the client are passed on.
 *
 * It costs a hop, a second connection for each client, and a component that must itself hardly ever change: its
 * own release drops its clients as any gateway's does, and it does so with the gateway's drain (axis `drain`).
 * Where TLS ends here, the upstream is plain; permessage-deflate is off on both sides.
 */
export class Holder {
  private readonly options: HolderOptions;
  private readonly gateway: Gateway;
  private readonly clients = new Set<HeldClient>();
  private readonly waiting: (() => void)[] = [];
  private openings = 0;

  constructor(options: HolderOptions) {
    this.options = options;
    const log = (line: Readonly<Record<string, unknown>>) => options.log({ ...line, hop: true });
    const moves = new MoveLog(options, (line) => log({ ...line }));
    const { upstream, patience, holdFor, now, after } = options;
    const host: HeldClientHost = {
      upstream,
      patience,
      holdFor,
      now,
      after,
      turn: (open) => {
        this.waiting.push(() => open(() => this.opened()));
        this.next();
      },
      rehomed: (why) => moves.moved(why),
      givenUp: () => moves.givenUp(),
    };
    this.gateway = new Gateway({
      ...options,
      log,
      serve: (socket, request) => {
        const client = new HeldClient(host, socket, request);
        this.clients.add(client);
        socket.on('close', () => this.clients.delete(client));
      },
      command: (method, url) =>
        `${method} ${url.pathname}` === 'POST /rehome' ? this.command(url) : undefined,
    });
  }

  /** Resolves with the ports once both listen. @throws what listening failed with. */
  listen(): Promise<{ port: number; adminPort: number }> {
    return this.gateway.listen();
  }

  /** What SIGTERM means: the holder's own release, which drops its clients as a gateway's does. */
  terminate(): void {
    this.gateway.terminate();
  }

  /** Drops everything and stops listening; for those who run a holder inside their own process. */
  stop(): void {
    this.gateway.stop();
  }

  /** Moves every client to a new upstream, evenly over so many model milliseconds. */
  rehome(over: number): void {
    const clients = [...this.clients];
    const act = (index: number) => clients[index]?.rehome('the holder was told to');
    performPlan(drainPlan(clients.length, over), this.options, act, () => {});
  }

  private command(url: URL): [status: number, body: unknown] {
    const over = Number(url.searchParams.get('over') ?? 0);
    if (!(over >= 0 && Number.isFinite(over))) return [400, { error: 'over: milliseconds, at least 0' }];
    this.rehome(over);
    return [202, { rehoming: this.clients.size }];
  }

  private next(): void {
    while (this.openings < OPENING_AT_ONCE && this.waiting.length > 0) {
      this.openings++;
      this.waiting.shift()?.();
    }
  }

  private opened(): void {
    this.openings--;
    this.options.after(0, () => this.next());
  }
}
