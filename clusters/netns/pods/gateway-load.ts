import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** An adapter's scrape is given up after this many real milliseconds. */
const SCRAPE_TIMEOUT = 2000;

/** Measures one running gateway for the autoscaler. */
export class GatewayLoad {
  private readonly clock: Clock;
  private readonly pid: number;
  private readonly url: string;
  /** When its use was last asked for, and its processor time then. */
  private asked: { readonly at: Millis; readonly used: Millis };
  /** Processor time that it spent in model time only, as a limited pod does. */
  private modelled: Millis = 0;
  private scraped: Readonly<Record<string, unknown>> = {};

  /** `url` is where it tells of itself, as JSON with a number for each metric. */
  constructor(clock: Clock, pid: number, url: string) {
    this.clock = clock;
    this.pid = pid;
    this.url = url;
    this.asked = { at: clock.now(), used: 0 };
  }

  /** The gateway has told of processor time that it spent in model time. */
  spent(time: Millis): void {
    this.modelled += time;
  }

  /** What it has used since this was last asked, in millicores of model time; undefined when it is gone. */
  usage(): number | undefined {
    const measured = processorTime(this.pid);
    if (measured === undefined) return undefined;
    const used = measured + this.modelled;
    const { asked } = this;
    this.asked = { at: this.clock.now(), used };
    const elapsed = this.asked.at - asked.at;
    return elapsed > 0 ? ((used - asked.used) / elapsed) * 1000 : undefined;
  }

  /** As a metrics adapter answers: from the last scrape, which is one sync of the autoscaler old; undefined before the first. */
  metric(name: string): number | undefined {
    fetch(this.url, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT) })
      .then((response) => response.json())
      .then((told) => {
        this.scraped = told as Readonly<Record<string, unknown>>;
      })
      // It keeps what it had, and a gateway that is gone is asked no more.
      .catch(() => {});
    const value = this.scraped[name];
    return typeof value === 'number' ? value : undefined;
  }
}

/** Processor time of a process in milliseconds, exact, unlike the hundredths of a second in its `stat`; undefined when it is gone. */
export function processorTime(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
      .reduce((sum, nanoseconds) => sum + nanoseconds / 1e6, 0);
  } catch {
    return undefined;
  }
}
