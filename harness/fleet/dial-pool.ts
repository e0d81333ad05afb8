import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ClientProtocol, clientProtocol, type Speech } from '../config/client-protocol.ts';
import type { Socket, SocketHandlers } from '../contracts/connection.ts';
import type { TimedEvent } from '../contracts/event.ts';
import type { Heard, Told } from './dial-process.main.ts';
import { type DialTarget, dialWebSocket } from './websocket.ts';

const PROGRAM = fileURLToPath(new URL('./dial-process.main.ts', import.meta.url));

/** Dials real WebSockets, from this process or, where it cannot hold that many, from several others. */
export class DialPool implements Disposable {
  private readonly processes: readonly DialProcess[];
  private readonly protocol: ClientProtocol | undefined;
  private dialled = 0;

  /**
   * `processes` other processes hold the connections; with 0 this one does. `own` describes the user's own gateway.
   * `record` takes their lag, in real milliseconds times `speed`, and their death.
   */
  constructor(processes: number, own?: Speech, record: (event: TimedEvent) => void = () => {}, speed = 1) {
    this.processes = Array.from(
      { length: processes },
      (_, index) => new DialProcess(own, `dial process ${index + 1} of ${processes}`, record, speed),
    );
    this.protocol = own && clientProtocol(own);
  }

  /** The other processes' ids. */
  get pids(): readonly (number | undefined)[] {
    return this.processes.map(({ pid }) => pid);
  }

  /** The path that clients of the user's own gateway ask for; that of the built-in one otherwise. */
  get path(): string {
    return this.protocol?.path ?? '/';
  }

  /**
   * As `dialWebSocket`; `own` in what the user's own gateway speaks. A process that dies takes its connections with it,
   * which are told so; the others dial from then on.
   */
  dial(target: DialTarget, handlers: SocketHandlers, own = false): Socket {
    const { processes } = this;
    if (processes.length > 0) {
      const able = processes.filter(({ isGone }) => !isGone);
      const some = able.length > 0 ? able : processes;
      const process = some[this.dialled++ % some.length] as DialProcess;
      return process.dial(target, handlers, own);
    }
    const protocol = own ? this.protocol : undefined;
    return dialWebSocket(protocol === undefined ? target : { ...target, protocol }, handlers);
  }

  [Symbol.dispose](): void {
    for (const process of this.processes) process[Symbol.dispose]();
  }
}

class DialProcess implements Disposable {
  private readonly process: ChildProcess;
  private readonly handlers = new Map<number, SocketHandlers>();
  private batch: Told[] = [];
  private ids = 0;
  isGone = false;
  private isDisposed = false;
  private readonly part: string;
  private readonly record: (event: TimedEvent) => void;
  private readonly speed: number;

  constructor(own: Speech | undefined, part: string, record: (event: TimedEvent) => void, speed: number) {
    this.part = part;
    this.record = record;
    this.speed = speed;
    // A process group of its own, so that a Ctrl-C leaves it alone.
    // Regular expressions of a configuration are no JSON.
    const serialization = own === undefined ? 'json' : 'advanced';
    this.process = fork(PROGRAM, [], { execArgv: [], detached: true, serialization });
    this.process.on('message', (heard: Heard[]) => {
      for (const one of heard) this.hear(one);
    });
    this.process.on('error', ({ message }) => this.end(message));
    this.process.on('exit', (code, signal) => this.end(signal ?? `exit code ${code}`));
    if (own !== undefined) this.tell(['speak', 0, own]);
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  dial(target: DialTarget, handlers: SocketHandlers, own: boolean): Socket {
    const id = ++this.ids;
    this.handlers.set(id, handlers);
    this.tell(['dial', id, target, own]);
    const leave = (what: 'close' | 'destroy') => () => {
      if (this.handlers.delete(id)) this.tell([what, id]);
    };
    return {
      ping: () => this.tell(['ping', id]),
      close: leave('close'),
      destroy: leave('destroy'),
    };
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
    this.handlers.clear();
    this.process.kill('SIGKILL');
  }

  private hear(heard: Heard): void {
    if (heard[0] === 'lag') {
      this.record({ type: 'harness', lag: Math.round(heard[2] * this.speed), drift: 0, part: this.part });
      return;
    }
    const [what, id] = heard;
    const handlers = this.handlers.get(id);
    // The client has left it in the meantime.
    if (handlers === undefined) return;
    switch (what) {
      case 'opened':
        handlers.opened(heard[2]);
        return;
      case 'rehomed':
        handlers.rehomed?.(heard[2]);
        return;
      case 'closed':
        this.handlers.delete(id);
        handlers.closed(heard[2]);
        return;
      default:
        handlers[what]();
    }
  }

  private tell(told: Told): void {
    if (this.batch.length === 0) setImmediate(() => this.flush());
    this.batch.push(told);
  }

  private flush(): void {
    const { batch } = this;
    this.batch = [];
    // The channel of a process that is about to be known dead is closed already.
    if (!this.isGone && this.process.connected) this.process.send(batch, () => {});
    else if (this.isGone) this.closeAll();
  }

  private end(why: string): void {
    if (this.isGone) return;
    this.isGone = true;
    if (!this.isDisposed) this.record({ type: 'harness-died', part: this.part, why });
    this.closeAll();
  }

  private closeAll(): void {
    for (const id of [...this.handlers.keys()]) this.hear(['closed', id, { how: 'harness-died' }]);
  }
}
