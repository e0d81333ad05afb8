import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { AGED, connectionAge, GOING_AWAY } from './age.ts';
import { type Capacity, isLimited, SETTLED, UNLIMITED } from './capacity.ts';
import { type Application, gatewayCost } from './cost.ts';
import { Door } from './door.ts';
import { type DrainHow, drainPlan, SERVICE_RESTART } from './drain.ts';
import { performPlan } from './perform-plan.ts';

/** What the gateway does with its connections on SIGTERM. */
export type Drain = 'abrupt' | 'close-all' | 'paced' | 'ignore';

/** What a gateway is and what it needs from its process; time is the model's. */
export interface GatewayOptions extends Partial<Application> {
  readonly version: string;
  readonly pod: string;
  readonly node: string | undefined;
  /** Port for WebSockets; 0 takes any free one. */
  readonly port: number;
  /** Port for probes and for control, plain HTTP; 0 takes any free one. */
  readonly adminPort: number;
  readonly drain: Drain;
  /** Model milliseconds a paced drain takes to reach the last connection. */
  readonly drainOver: number;
  /** Real milliseconds after which a closing handshake that the client does not answer is cut short. */
  readonly closeTimeout: number;
  /** Model milliseconds since any origin. */
  now(): number;
  after(delay: number, fire: () => void): void;
  /** Keeps the processor busy for so many milliseconds, as the application's own work would. */
  work?(processorTime: number): void;
  /** Serves a connection instead of greeting it and answering its pings. */
  serve?(socket: WebSocket, request: IncomingMessage): void;
  /** Answers a request to the admin port that a gateway knows nothing of; undefined where it is not known either. */
  command?(method: string, url: URL): [status: number, body: unknown] | undefined;
  /** One JSON line of what the gateway did. */
  log(line: Readonly<Record<string, unknown>>): void;
  /** Model milliseconds after which it closes a connection, give or take a tenth (age.ts); never unless said. */
  readonly maxAge?: number;
  /** What its pod can take; unlimited unless said. */
  readonly capacity?: Capacity;
  /** Ends the process; the last thing a gateway does. `code` is 0 unless said. */
  exit(code?: number): void;
}

/** The exit code of a process that got SIGKILL, as the kernel's OOM killer sends it. */
const KILLED = 137;

const RECONNECT = JSON.stringify({ onedrop: 'reconnect' });

/** The WebSocket server under test: greets, answers pings, and lets go of its connections in the way it is told. */
export class Gateway {
  private readonly options: GatewayOptions;
  private readonly connections = new Set<WebSocket>();
  private readonly greeting: string;
  /** Where its pod is limited. */
  private readonly door: Door | undefined;
  /** For those who bring connections of their own: `connection` may be emitted on either, as `node:http` and `ws` document. */
  readonly webSockets: WebSocketServer;
  readonly server: Server;
  private readonly admin: Server;
  /** Connections accepted so far. */
  private accepted = 0;
  private ready = true;
  /** Set once this process is to exit as soon as no connection is left. */
  private leaving = false;
  /** Newcomers to a gateway that has closed everything are closed as well. */
  private refusing = false;
  private ended = false;

  constructor(options: GatewayOptions) {
    this.options = options;
    const { version, pod, node } = options;
    this.greeting = JSON.stringify({ onedrop: 1, pod, version, node });
    this.door = this.makeDoor();
    const { door } = this;
    this.server = createServer((_request, response) => answer(response, 426, { error: 'WebSockets only' }));
    this.webSockets = new WebSocketServer({
      server: this.server,
      perMessageDeflate: false,
      clientTracking: false,
      autoPong: options.serve === undefined && door === undefined,
      closeTimeout: options.closeTimeout,
      ...(door === undefined ? {} : { verifyClient: letIn(door) }),
    } as ConstructorParameters<typeof WebSocketServer>[0]);
    this.webSockets.on('connection', (socket, request) => this.accept(socket, request));
    this.admin = createServer((request, response) => {
      this.inTurn(door?.probe(), () =>
        answer(response, ...this.control(request.method ?? 'GET', request.url ?? '/')),
      );
    });
  }

  /** Resolves with the ports once both listen. @throws what listening failed with. */
  async listen(): Promise<{ port: number; adminPort: number }> {
    const { port, adminPort } = this.options;
    return { port: await listening(this.server, port), adminPort: await listening(this.admin, adminPort) };
  }

  /** What SIGTERM means to this gateway, whose event loop hears of it in turn. */
  terminate(): void {
    this.inTurn(this.door?.turn(), () => this.leave());
  }

  private leave(): void {
    const { drain, drainOver } = this.options;
    if (this.leaving) return;
    this.log('sigterm', drain);
    if (drain === 'ignore') return;
    this.leaving = true;
    if (drain === 'abrupt') this.end('abrupt');
    else
      this.start('close', drain === 'paced' ? drainOver : 0, () => {
        this.refusing = true;
        for (const socket of this.connections) ask(socket, 'close');
        this.endIfEmpty();
      });
  }

  /** Asks every connection to go, evenly over `over` model milliseconds. */
  drain(method: DrainHow, over: number): void {
    this.start(method, over, () => {});
  }

  /** Drops everything and stops listening; for those who run a gateway inside their own process. */
  stop(): void {
    this.door?.close();
    for (const socket of this.connections) socket.terminate();
    this.server.close();
    this.admin.close();
  }

  private start(method: DrainHow, over: number, finished: () => void): void {
    this.log('drain', `${method} over ${over} ms`);
    const waiting = [...this.connections];
    performPlan(
      drainPlan(waiting.length, over),
      this.options,
      (index) => ask(waiting[index] as WebSocket, method),
      finished,
    );
  }

  private accept(socket: WebSocket, request: IncomingMessage): void {
    this.connections.add(socket);
    socket.on('error', ignore);
    this.door?.opened();
    socket.on('close', () => {
      this.door?.ended();
      this.connections.delete(socket);
      this.endIfEmpty();
    });
    const { door } = this;
    const { handshakeCpu = 0, messageCpu = 0 } = this.options;
    if (door !== undefined) {
      if (this.options.serve === undefined)
        socket.on('ping', (data) =>
          this.inTurn(door.message(), () => {
            if (socket.readyState === socket.OPEN) socket.pong(data);
          }),
        );
    } else {
      if (handshakeCpu > 0) this.options.work?.(handshakeCpu);
      if (messageCpu > 0) socket.on('ping', () => this.options.work?.(messageCpu));
    }
    if (this.options.serve === undefined) socket.send(this.greeting);
    else this.options.serve(socket, request);
    this.closeInTime(socket, request.headers[SETTLED] !== undefined);
    if (this.refusing) ask(socket, 'close');
  }

  /** A connection that ends before costs a timer that finds nothing to do. */
  private closeInTime(socket: WebSocket, settled: boolean): void {
    const { maxAge, pod, after } = this.options;
    if (maxAge === undefined) return;
    after(connectionAge(maxAge, pod, this.accepted++, settled), () => {
      if (socket.readyState === socket.OPEN) socket.close(GOING_AWAY, AGED);
    });
  }

  private endIfEmpty(): void {
    if (this.leaving && this.connections.size === 0) this.end('no connection left');
  }

  private end(why: string): void {
    if (this.ended) return;
    this.ended = true;
    this.door?.close();
    this.log('exit', why);
    this.options.exit();
  }

  private makeDoor(): Door | undefined {
    const { capacity = UNLIMITED, handshakeCpu = 0, messageCpu = 0, now, after, log, exit } = this.options;
    if (!isLimited(capacity)) return undefined;
    return new Door(capacity, gatewayCost({ handshakeCpu, messageCpu }), {
      now,
      after,
      tell: (load) => log({ did: 'load', load }),
      fell: (why) => {
        if (this.ended) return;
        this.ended = true;
        this.door?.close();
        this.log('killed', why);
        exit(KILLED);
      },
    });
  }

  /** Acts once the event loop would have come to it. */
  private inTurn(wait: number | undefined, act: () => void): void {
    if (wait === undefined || wait === 0) act();
    else this.options.after(wait, act);
  }

  private log(did: string, why: string): void {
    this.options.log({ did, why, connections: this.connections.size });
  }

  /** What the admin port answers to a request; the same for those who carry requests here by another way. */
  control(method: string, path: string): [status: number, body: unknown] {
    const url = new URL(path, 'http://gateway');
    const { version, pod } = this.options;
    switch (`${method} ${url.pathname}`) {
      case 'GET /livez':
        return [200, { live: true }];
      case 'GET /readyz':
        return [this.ready ? 200 : 503, { ready: this.ready }];
      case 'GET /connections':
        return [200, { connections: this.connections.size, version, pod }];
      case 'POST /fail-readiness':
      case 'POST /restore-readiness':
        this.ready = url.pathname === '/restore-readiness';
        return [200, { ready: this.ready }];
      case 'POST /drain': {
        const over = Number(url.searchParams.get('over') ?? this.options.drainOver);
        const how = url.searchParams.get('how') ?? 'close';
        if (!(over >= 0 && Number.isFinite(over)) || (how !== 'close' && how !== 'message'))
          return [400, { error: 'over: milliseconds, at least 0; how: close or message' }];
        this.drain(how, over);
        return [202, { draining: this.connections.size }];
      }
      default:
        return this.options.command?.(method, url) ?? [404, { error: `no ${method} ${url.pathname}` }];
    }
  }
}

/** Asks the door for each client before its upgrade, as `ws` lets one. */
const letIn =
  (door: Door) =>
  (
    { req }: { req: IncomingMessage },
    answered: (isIn: boolean, code?: number, message?: string) => void,
  ): void => {
    if (req.headers[SETTLED] !== undefined) {
      answered(true);
      return;
    }
    const visitor = { hasLeft: req.socket.destroyed };
    const left = () => {
      visitor.hasLeft = true;
    };
    // Nobody reads from it before its upgrade, and only who reads hears that the client has gone; it has nothing to say yet.
    req.socket.once('end', left).once('close', left).resume();
    door.handshake(visitor, (outcome) => {
      if (outcome === 'unreachable') req.socket.destroy();
      else answered(outcome === 'served', 503);
    });
  };

function ask(socket: WebSocket, method: DrainHow): void {
  if (socket.readyState !== socket.OPEN) return;
  if (method === 'message') socket.send(RECONNECT);
  else socket.close(SERVICE_RESTART, 'service restart');
}

const ignore = () => {};

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // A whole fleet may come at once; the kernel caps this at net.core.somaxconn.
    server.listen({ port, backlog: 65_535 }, () => resolve((server.address() as AddressInfo).port));
  });
}
