import type { Event, Timed } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';

/** An event as it stands in a cell that begins at `origin`: every time in it counts from there. */
export function rebased(event: Timed, origin: Millis): Timed {
  const moved = { ...event, at: event.at - origin };
  if (moved.type === 'closed') return { ...moved, lastAnswer: moved.lastAnswer - origin };
  if (moved.type === 'hop' && moved.since !== undefined) return { ...moved, since: moved.since - origin };
  return moved;
}

/** What of an event stays true after it; undefined: nothing does. */
function key(event: Timed): string | undefined {
  switch (event.type) {
    case 'open':
    case 'rehomed':
    case 'closed':
      return `client ${event.client}`;
    case 'pod':
      return `pod ${event.pod}`;
    case 'endpoints':
    case 'balancer':
      return `${event.type} ${event.service}`;
    case 'proxy':
      return `proxy ${event.node} ${event.service}`;
    case 'node':
      return `node ${event.node}`;
    case 'replicas':
      return `replicas ${event.owner}`;
    case 'evidence':
      return `evidence ${event.source}`;
    default:
      return undefined;
  }
}

/** It says that something is no more. */
const isEnd = (event: Timed) =>
  (event.type === 'closed' && event.replaced !== true) ||
  (event.type === 'pod' && event.phase === 'gone') ||
  (event.type === 'node' && event.change === 'removed');

/**
 * What is so at this moment of all that was logged: who is connected where, which pods, endpoints and nodes there are.
 * A cell that begins while all that stands already is told it first.
 */
export class Carry {
  private readonly state = new Map<string, Timed>();

  observe(event: Event): void {
    if (!('at' in event)) return;
    const name = key(event);
    if (name === undefined) return;
    if (isEnd(event)) this.state.delete(name);
    // A connection that replaced this one was opened before.
    else if (event.type !== 'closed') this.state.set(name, event);
  }

  /** All of it as events of the time `at`; a connection that stands has taken one attempt. */
  snapshot(at: Millis): Timed[] {
    return [...this.state.values()].map((event) =>
      event.type === 'rehomed'
        ? { ...event, type: 'open', attempts: 1, at }
        : event.type === 'open'
          ? { ...event, attempts: 1, at }
          : { ...event, at },
    );
  }
}
