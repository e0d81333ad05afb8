import type { Load } from '../contracts/load.ts';
import type { Millis } from '../time/duration.ts';
import type { Capacity } from './capacity.ts';
import type { Cost } from './cost.ts';
import {
  admit,
  isOutOfMemory,
  newQueue,
  type QueueState,
  SYN_RETRY,
  serve,
  usedUntil,
  waitOf,
} from './queue.ts';

/** What a door needs of the process that it belongs to; time is the model's. */
export interface DoorHost {
  now(): Millis;
  after(delay: Millis, fire: () => void): unknown;
  /** What came and went, about once a second while something happens. */
  tell(load: Load): void;
  /** The kernel kills the process. */
  fell(why: string): void;
}

/** Somebody who wants to be let in. */
export interface Visitor {
  /** Has left without waiting any longer. */
  readonly hasLeft: boolean;
}

/** `unreachable`: each of its SYNs was dropped. */
export type Outcome = 'served' | 'refused' | 'unreachable';

/** timeoutSeconds of a probe that does not say (k8s pkg/apis/core/v1/defaults.go). */
const PROBE_TIMEOUT: Millis = 1000;

/** How often a load is looked at, and how often it is told where nothing is remarkable. */
const LOOK: Millis = 1000;
const CALM: Millis = 10_000;
/** A wait that nobody notices. */
const SHORT: Millis = 100;

/**
 * A gateway's door: gives what comes to its event loop (queue.ts) and says when that is done. It spends model time and
 * no processor time of the machine, the same in the simulator and in a real process, so that what they show can be
 * compared. A SYN that the kernel would drop it holds until it would be sent again, which for the client is the same.
 */
export class Door {
  private readonly capacity: Capacity;
  private readonly cost: Cost;
  private readonly host: DoorHost;
  private readonly state: QueueState;
  private connections = 0;
  private waiting = 0;
  private isClosed = false;
  private toldAt: Millis;
  private usedThen = 0;
  private window = nothing();

  constructor(capacity: Capacity, cost: Cost, host: DoorHost) {
    this.capacity = capacity;
    this.cost = cost;
    this.host = host;
    this.state = newQueue(host.now());
    this.toldAt = host.now();
    this.look();
  }

  /** A client wants to be let in; `done` is told what became of that, unless it leaves while its SYNs are dropped. */
  handshake(visitor: Visitor, done: (outcome: Outcome) => void): void {
    this.window.offered++;
    this.knock(visitor, 0, done);
  }

  /** A message, or a ping, came in on a connection: how long until it is dealt with. */
  message(): Millis {
    return this.take(this.cost.message);
  }

  /** A probe, or another request to the admin port: how long until it is answered. */
  probe(): Millis {
    const wait = this.take(this.cost.probe);
    if (wait > PROBE_TIMEOUT) this.window.lateProbes++;
    return wait;
  }

  /** How long something that costs nothing has to wait for its turn. */
  turn(): Millis {
    return this.take(0);
  }

  /** A connection is open. */
  opened(): void {
    this.connections++;
    this.weigh();
  }

  /** A connection is over. */
  ended(): void {
    this.connections--;
    this.take(this.cost.ending);
  }

  /** Processor time spent so far. */
  get used(): Millis {
    return usedUntil(this.state, this.capacity, this.host.now());
  }

  /** The process is over. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    // Whoever waited has lost its place with it.
    this.waiting = 0;
    this.tell();
  }

  private knock(visitor: Visitor, retries: number, done: (outcome: Outcome) => void): void {
    if (this.isClosed || visitor.hasLeft) return;
    const admission = admit(this.state, this.capacity, this.host.now());
    if (admission === 'full') {
      this.window.dropped++;
      const again = Math.min(SYN_RETRY.most, SYN_RETRY.first * 2 ** retries);
      this.host.after(again, () => {
        if (retries < SYN_RETRY.retries) this.knock(visitor, retries + 1, done);
        else if (!this.isClosed) done('unreachable');
      });
      return;
    }
    this.waiting++;
    this.weigh();
    this.later(this.take(admission === 'refused' ? this.cost.probe : this.cost.handshake), () => {
      this.waiting--;
      if (admission === 'refused') this.window.refused++;
      else {
        this.window.served++;
        if (visitor.hasLeft) this.window.stale++;
      }
      done(admission === 'refused' ? 'refused' : 'served');
    });
  }

  private later(wait: Millis, act: () => void): void {
    if (wait === 0) act();
    else
      this.host.after(wait, () => {
        if (!this.isClosed) act();
      });
  }

  /** Whole milliseconds, as clocks count them, until a piece of work is done. */
  private take(cost: Millis): Millis {
    const now = this.host.now();
    const { window } = this;
    window.wait = Math.max(window.wait, waitOf(this.state, now));
    return Math.round(serve(this.state, this.capacity, cost, now) - now);
  }

  /** The kernel kills what uses too much. */
  private weigh(): void {
    const held = this.connections + this.waiting;
    if (!this.isClosed && isOutOfMemory(this.capacity, held))
      this.host.fell(`OOMKilled with ${held} connections`);
  }

  private look(): void {
    this.host.after(LOOK, () => {
      if (this.isClosed) return;
      const { offered, served, refused, dropped, lateProbes, wait } = this.window;
      const something = offered + served + refused + dropped + lateProbes + this.waiting > 0 || wait > SHORT;
      if (something || this.host.now() - this.toldAt >= CALM) this.tell();
      this.look();
    });
  }

  private tell(): void {
    const now = this.host.now();
    const over = now - this.toldAt;
    const { used, window, waiting } = this;
    const { processors } = this.capacity;
    const could = (Number.isFinite(processors) ? processors : 1) * over;
    const busy = over > 0 ? Math.round((1000 * (used - this.usedThen)) / could) / 1000 : 0;
    this.toldAt = now;
    this.usedThen = used;
    this.window = nothing();
    this.host.tell({ over, ...window, queue: waiting, wait: Math.round(window.wait), busy });
  }
}

const nothing = () => ({
  offered: 0,
  served: 0,
  stale: 0,
  refused: 0,
  dropped: 0,
  wait: 0,
  lateProbes: 0,
});
