import type { ChildProcess } from 'node:child_process';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { ConnectionId, ToSupervisor, ToWorker } from './messages.ts';

/** What a supervisor needs from its process. */
export interface SupervisorOptions {
  /** The version of the first worker. */
  readonly version: string;
  /** Port for WebSockets; 0 takes any free one. */
  readonly port: number;
  /** Port for probes and for control; 0 takes any free one. */
  readonly adminPort: number;
  /** Forks a worker of a version, with an IPC channel. */
  fork(version: string): ChildProcess;
  /** One JSON line of what the supervisor did. */
  log(line: Readonly<Record<string, unknown>>): void;
  /** Ends the process; the last thing a supervisor does. */
  exit(): void;
}

/** So many connections are on their way from one worker to the next at once: each is without a worker only for a moment. */
const ON_THE_WAY = 32;

/** How a hand-over went. */
export interface HandOver {
  readonly from: string;
  readonly to: string;
  /** Connections that go on in the new worker; their clients were told so by its greeting and saw nothing else. */
  readonly handedOver: number;
  /** Connections that ended meanwhile, whoever ended them. */
  readonly ended: number;
}

interface WorkerProcess {
  readonly version: string;
  readonly child: ChildProcess;
  send(message: ToWorker, socket?: Socket): void;
  /** Resolves at the first message of that kind. @throws Error when the worker ends before. */
  said(kind: ToSupervisor['kind']): Promise<void>;
  readonly ended: Promise<void>;
}

/**
 * The parent process of a pod whose application is replaced without any client noticing: it owns the listening
 * socket and every accepted one, reads none of them, and lends them to a worker process over IPC. Told to, it
 * forks the next version's worker and lends the very same sockets to that one, with what the old worker knew of
 * each WebSocket (POST `/handover?version=v2` on the admin port). The supervisor itself is never released that way.
 *
 * Only the application's code changes; the image, the pod and its Deployment's template stay as they were, so a
 * pod that is started anew runs the old version until the template follows. It cannot work across pods (a socket
 * belongs to the network namespace it was opened in and its address goes with that pod; a new image or another
 * node is a new pod), nor for TLS that ends in this process (a TLSSocket's keys are in the process's memory; older
 * Node.js throws ERR_INVALID_HANDLE_TYPE, 20 and 24 send a message that never arrives), nor with
 * permessage-deflate, whose window is state of the process too (FACTS H). Each connection costs a second descriptor.
 */
export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly server: Server;
  private readonly admin: HttpServer;
  private readonly connections = new Map<ConnectionId, { socket: Socket; owner: WorkerProcess }>();
  private readonly answers = new Map<number, (status: number, body: unknown) => void>();
  private readonly workers = new Set<WorkerProcess>();
  private worker: WorkerProcess | undefined;
  /** The worker whose connections are being handed over. */
  private leaving: WorkerProcess | undefined;
  private handingOver = false;
  private lastId = 0;
  private lastRequest = 0;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.server = createServer({ pauseOnConnect: true }, (socket) => this.accept(socket));
    this.admin = createHttpServer((request, response) => {
      this.control(request.method ?? 'GET', request.url ?? '/', (status, body) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`),
      );
    });
  }

  /** Starts the first worker; resolves with the ports once both listen. @throws what either failed with. */
  async listen(): Promise<{ port: number; adminPort: number }> {
    this.worker = await this.start(this.options.version);
    return {
      port: await listening(this.server, this.options.port),
      adminPort: await listening(this.admin, this.options.adminPort),
    };
  }

  /** What SIGTERM means: the worker does what its gateway does, and when it has exited so does the supervisor. */
  terminate(): void {
    this.server.close();
    this.worker?.send({ kind: 'terminate' });
  }

  /** Drops everything; resolves once no worker is left. For those who run a supervisor inside their own process. */
  async stop(): Promise<void> {
    this.server.close();
    this.admin.close();
    await Promise.all(
      [...this.workers].map(async ({ child, ended }) => {
        child.kill('SIGKILL');
        await ended;
      }),
    );
  }

  /**
   * Replaces the worker by one of `version`. The old one serves until the new one is ready, so a version that
   * cannot start costs nothing.
   * @throws Error when a hand-over is under way, or when the new worker ends before it is ready.
   */
  async handOver(version: string): Promise<HandOver> {
    const old = this.worker;
    if (this.handingOver || old === undefined) throw new Error('a hand-over is under way');
    this.handingOver = true;
    try {
      const next = await this.start(version);
      const before = this.owned(old);
      this.worker = next;
      this.leaving = old;
      const given = old.said('empty');
      old.send({ kind: 'release', count: ON_THE_WAY });
      // A worker that dies takes only what it had not yet given back with it.
      await given.catch(() => {});
      const handedOver = before.filter((id) => this.connections.get(id)?.owner === next).length;
      const result = { from: old.version, to: version, handedOver, ended: before.length - handedOver };
      this.options.log({ did: 'handover', why: `${old.version} to ${version}`, connections: handedOver });
      if (old.child.connected) old.child.disconnect();
      return result;
    } finally {
      this.handingOver = false;
      this.leaving = undefined;
    }
  }

  private owned(worker: WorkerProcess): ConnectionId[] {
    return [...this.connections].filter(([, { owner }]) => owner === worker).map(([id]) => id);
  }

  private accept(socket: Socket): void {
    const worker = this.worker as WorkerProcess;
    const id = ++this.lastId;
    socket.on('error', ignore);
    this.connections.set(id, { socket, owner: worker });
    worker.send({ kind: 'accept', id }, socket);
  }

  private end(id: ConnectionId): void {
    this.connections.get(id)?.socket.destroy();
    this.connections.delete(id);
  }

  private async start(version: string): Promise<WorkerProcess> {
    const child = this.options.fork(version);
    const waiting = new Map<ToSupervisor['kind'], PromiseWithResolvers<void>>();
    const ended = Promise.withResolvers<void>();
    const worker: WorkerProcess = {
      version,
      child,
      ended: ended.promise,
      // Its end is noticed by `exit`, whatever could not be sent.
      send: (message, socket) => void child.send(message, socket, { keepOpen: true }, ignore),
      said: (kind) => {
        const promise = Promise.withResolvers<void>();
        waiting.set(kind, promise);
        return promise.promise;
      },
    };
    this.workers.add(worker);
    child.on('message', (message: ToSupervisor) => {
      waiting.get(message.kind)?.resolve();
      this.heard(message);
    });
    child.on('error', (error) => this.options.log({ did: 'worker failed', why: error.message }));
    child.on('exit', (code, signal) => {
      for (const { reject } of waiting.values())
        reject(new Error(`the worker of ${version} ended (${signal ?? code})`));
      this.workers.delete(worker);
      for (const id of this.owned(worker)) this.end(id);
      ended.resolve();
      if (worker === this.worker) this.options.exit();
    });
    await worker.said('ready');
    return worker;
  }

  private heard(message: ToSupervisor): void {
    switch (message.kind) {
      case 'ended':
        this.end(message.id);
        return;
      case 'released': {
        const connection = this.connections.get(message.id);
        if (connection === undefined) return;
        connection.owner = this.worker as WorkerProcess;
        connection.owner.send({ kind: 'adopt', id: message.id, state: message.state }, connection.socket);
        return;
      }
      case 'adopted':
        this.leaving?.send({ kind: 'release', count: 1 });
        return;
      case 'answer':
        this.answers.get(message.number)?.(message.status, message.body);
        this.answers.delete(message.number);
        return;
    }
  }

  private control(method: string, path: string, answer: (status: number, body: unknown) => void): void {
    const { pathname, searchParams } = new URL(path, 'http://supervisor');
    if (method === 'POST' && pathname === '/handover') {
      const version = searchParams.get('version');
      if (version === null) answer(400, { error: 'version: the version to hand over to' });
      else
        this.handOver(version).then(
          (result) => answer(200, result),
          (error: Error) => answer(409, { error: error.message }),
        );
      return;
    }
    // Two workers are busy with each other; the pod is neither dead nor any less ready for it.
    if (this.handingOver && method === 'GET' && (pathname === '/livez' || pathname === '/readyz')) {
      answer(200, { handingOver: true });
      return;
    }
    const number = ++this.lastRequest;
    this.answers.set(number, answer);
    this.worker?.send({ kind: 'request', number, method, path });
  }
}

const ignore = () => {};

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, backlog: 65_535 }, () => resolve((server.address() as AddressInfo).port));
  });
}
