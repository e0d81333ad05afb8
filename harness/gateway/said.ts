import type { TimedEvent } from '../contracts/event.ts';
import type { Load } from '../contracts/load.ts';

/** One line of what a gateway, a supervisor or a connection holder says on its output. */
export interface Said {
  readonly did: string;
  readonly why?: string;
  readonly connections?: number;
  /** What came to its door (door.ts). */
  readonly load?: Load;
  /** Said by a hop in front of the gateways, of its clients. */
  readonly hop?: true;
}

const GATEWAY = new Set(['sigterm', 'drain', 'exit', 'killed', 'close'] as const);
type GatewayDid = typeof GATEWAY extends Set<infer Did> ? Did : never;

/** What connections were moved to, in words; they live on. */
const MOVED: Readonly<Record<string, (why: string) => string>> = {
  handover: (why) => `passed on to the next worker: ${why}`,
  rehome: (why) => `moved to another upstream: ${why}`,
};

/** What a hop does to its own clients, in words; they are ended. */
const ENDED: Readonly<Record<string, (why: string) => string>> = {
  sigterm: (why) => `gets SIGTERM (${why})`,
  drain: (why) => `drains: ${why}`,
  exit: (why) => `exits: ${why}`,
  killed: (why) => `is killed: ${why}`,
  'give-up': (why) => `closes connections with 1013: ${why}`,
};

/** The event that a line is, or undefined where it is none (`listening`). */
export function saidEvent(
  pod: string,
  { did, why = '', connections, hop, load }: Said,
): TimedEvent | undefined {
  const count = connections === undefined ? {} : { connections };
  if (load !== undefined) return { type: 'load', pod, ...load };
  const moved = MOVED[did];
  if (moved !== undefined) return { type: 'hop', hop: pod, did: moved(why), ...count, kept: true };
  const ended = ENDED[did];
  if ((hop || did === 'give-up') && ended !== undefined)
    return {
      type: 'hop',
      hop: pod,
      did: ended(why),
      ...count,
      // What follows SIGTERM says more.
      ...(did === 'sigterm' ? { kept: true } : { act: did === 'drain' ? 'drain' : 'ended' }),
    };
  if (GATEWAY.has(did as GatewayDid)) return { type: 'gateway', pod, did: did as GatewayDid, why, ...count };
  return undefined;
}
