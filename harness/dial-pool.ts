import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Socket, SocketHandlers } from './cluster.ts';
import type { Heard, Told } from './dial-process.main.ts';
import { type DialTarget, dialWebSocket } from './websocket.ts';

const PROGRAM = fileURLToPath(new URL('./dial-process.main.ts', import.meta.url));

/** Dials real WebSockets, from this process or, where it cannot hold that many, from several others. */
export class DialPool implements Disposable {
  private readonly processes: readonly DialProcess[];
  private dialled = 0;

  /** `processes` other processes hold the connections; with 0 this one does. */
  constructor(processes: number) {
    this.processes = Array.from({ length: processes }, () => new DialProcess());
  }

  /** As `dialWebSocket`. A process that ends takes its connections with it, which then read as reset. */
  dial(target: DialTarget, handlers: SocketHandlers): Socket {
    const { processes } = this;
    if (processes.length === 0) return dialWebSocket(target, handlers);
    const process = processes[this.dialled++ % processes.length] as DialProcess;
    return process.dial(target, handlers);
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
  private gone = false;

  constructor() {
    // A process group of its own, so that a Ctrl-C leaves it alone.
    this.process = fork(PROGRAM, [], { execArgv: [], detached: true });
    this.process.on('message', (heard: Heard[]) => {
      for (const one of heard) this.hear(one);
    });
    this.process.on('error', () => this.end());
    this.process.on('exit', () => this.end());
  }

  dial(target: DialTarget, handlers: SocketHandlers): Socket {
    const id = ++this.ids;
    this.handlers.set(id, handlers);
    this.tell(['dial', id, target]);
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
    this.handlers.clear();
    this.process.kill('SIGKILL');
  }

  private hear(heard: Heard): void {
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
    if (!this.gone) this.process.send(batch);
    else this.closeAll();
  }

  private end(): void {
    this.gone = true;
    this.closeAll();
  }

  private closeAll(): void {
    for (const id of [...this.handlers.keys()]) this.hear(['closed', id, { how: 'reset' }]);
  }
}
