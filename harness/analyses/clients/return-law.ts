import { isAged } from '../../contracts/connection.ts';
import type { CellHeader, Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import { isFleet } from '../analysis.ts';

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;

/** A gateway's own word may arrive this much later than its clients' sockets end; measured clusters only. */
const LATE: Millis = 5000;

/** Up to this share of the disconnects may follow no law: a few strays move no peak. */
const STRAYS = 0.01;

/** The least time that a rate per second can tell. */
const SECOND: Millis = 1000;

/**
 * The time over which a back-off model spreads the first attempts of clients lost at the same moment; from the
 * libraries' own defaults (FACTS I). Never less than a second, the unit of the rate.
 */
export function firstWaitSpread({ backoffModel, backoff }: CellHeader['axes']): Millis {
  const spreads: Record<typeof backoffModel, Millis> = {
    uniform: backoff,
    fixed: 0,
    'exponential-full-jitter': 1000,
    'exponential-equal-jitter': 500,
    decorrelated: 2000,
    'socket.io': 1000,
    'reconnecting-websocket': 4000,
    signalr: 0,
    phoenix: 0,
  };
  return Math.max(SECOND, spreads[backoffModel]);
}

/** Clients that leave evenly over some time from `begin`, or at once, and come back evenly spread after that. */
export interface Leaving {
  readonly begin: Millis;
  readonly over: Millis;
  readonly clients: number;
  /** The time that the returns of clients who leave together are spread over. */
  readonly spread: Millis;
}

/**
 * The most returns a second when every client that leaves comes back with its first attempt. The returns of one group
 * rise over the shorter of its two times, stay at clients / max(over, spread), and fall again; groups whose returns
 * overlap add up. The peak lies where one of them changes its slope.
 */
export function peakOfReturns(groups: readonly Leaving[]): number {
  const corners = groups.flatMap(({ begin, over, spread }) => [
    begin,
    begin + Math.min(over, spread),
    begin + Math.max(over, spread),
  ]);
  const at = (time: Millis) => groups.reduce((sum, group) => sum + returning(group, time), 0);
  return corners.reduce((most, corner) => Math.max(most, at(corner)), 0);
}

/** How many a second of one group return at that time. */
function returning({ begin, over, clients, spread }: Leaving, time: Millis): number {
  const since = time - begin;
  if (since < 0 || since >= over + spread) return 0;
  // The share of its plateau: the stretch of leaving from which clients return now, of the longest such stretch.
  const stretch = Math.min(since, over) - Math.max(0, since - spread);
  const share = over === 0 ? 1 : stretch / Math.min(over, spread);
  return (share * clients * SECOND) / Math.max(over, spread);
}

/** What a gateway said that it did to its clients: it lets them go from `at` on, evenly over `over`. */
interface Word {
  readonly at: Millis;
  readonly over: Millis;
}

interface Gateway {
  readonly words: Word[];
  /** When connections to it ended, other than by falling silent. */
  readonly ended: Millis[];
  /** When clients left it whose next connection was already open. */
  readonly replaced: Millis[];
}

/** Follows which gateways let their clients go and how, as these say themselves, and whom they lose. */
export class ReturnLaw {
  private readonly gateways = new Map<string, Gateway>();
  private silent = 0;
  private readonly spread: Millis;

  constructor({ axes }: CellHeader) {
    this.spread = firstWaitSpread(axes);
  }

  fold(event: Timed): void {
    if (event.type === 'gateway') this.said(event);
    else if (event.type === 'closed' && isFleet(event.client)) this.left(event);
  }

  /**
   * The most returns a second that follow from what was played, or null where nobody left or too many were lost in a
   * way that no gateway spoke of: there is no law for those.
   */
  peak(): number | null {
    const groups: Leaving[] = [];
    let strays = this.silent;
    let leavers = this.silent;
    for (const { words, ended, replaced } of this.gateways.values())
      for (const [times, spread] of [
        [ended, this.spread],
        [replaced, SECOND],
      ] as const) {
        const clients = new Array<number>(words.length).fill(0);
        for (const time of times) {
          const word = wordFor(words, time);
          if (word < 0) strays++;
          else (clients[word] as number)++;
        }
        leavers += times.length;
        for (const [index, { at, over }] of words.entries()) {
          // What it does next ends what it was doing.
          const next = words[index + 1]?.at ?? Number.POSITIVE_INFINITY;
          const left = clients[index] as number;
          if (left > 0) groups.push({ begin: at, over: Math.min(over, next - at), clients: left, spread });
        }
      }
    return leavers === 0 || strays > STRAYS * leavers ? null : peakOfReturns(groups);
  }

  private of(pod: string): Gateway {
    let gateway = this.gateways.get(pod);
    if (gateway === undefined) {
      gateway = { words: [], ended: [], replaced: [] };
      this.gateways.set(pod, gateway);
    }
    return gateway;
  }

  private said({ pod, at, did, why }: Of<'gateway'>): void {
    if (did === 'drain') {
      // As the gateway logs it: `close over 300000 ms`.
      const over = / over (\d+) ms$/.exec(why)?.[1];
      if (over !== undefined) this.of(pod).words.push({ at, over: Number(over) });
    } else if (did === 'exit' || did === 'killed') this.of(pod).words.push({ at, over: 0 });
  }

  private left({ pod, at, ending, replaced }: Of<'closed'>): void {
    if (isAged(ending)) return;
    if (replaced === true) this.of(pod).replaced.push(at);
    else if (ending.how === 'silence') this.silent++;
    else this.of(pod).ended.push(at);
  }
}

/** Which word of a gateway a client that left at that time followed: the last before, or the first if that came late. */
function wordFor(words: readonly Word[], time: Millis): number {
  const last = words.findLastIndex(({ at }) => at <= time);
  return last < 0 && words[0] !== undefined && words[0].at - LATE <= time ? 0 : last;
}
