import { type Cost, type Work, workTime } from '../../../harness/gateway/cost.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** The processor time of one modelled gateway, from what it does. */
export class ProcessorTime implements Work {
  connections = 0;
  private readonly cost: Cost;
  private readonly since: Millis;
  handshakes = 0;
  messages = 0;
  endings = 0;
  /** Seconds, summed up over connections until `counted`. */
  private held = 0;
  private counted: Millis;

  constructor(cost: Cost, now: Millis) {
    this.cost = cost;
    this.since = now;
    this.counted = now;
  }

  opened(now: Millis): void {
    this.count(now);
    this.handshakes++;
    this.connections++;
  }

  heard(): void {
    this.messages++;
  }

  ended(now: Millis): void {
    this.count(now);
    this.endings++;
    this.connections--;
  }

  /** Processor time from the start until now; `work` in place of that for what was done, where it is known better. */
  until(now: Millis, work = workTime(this, this.cost)): Millis {
    this.count(now);
    const { boot, idle, connection } = this.cost;
    return boot + (idle * (now - this.since)) / 1000 + connection * this.held + work;
  }

  private count(now: Millis): void {
    this.held += (this.connections * (now - this.counted)) / 1000;
    this.counted = now;
  }
}
