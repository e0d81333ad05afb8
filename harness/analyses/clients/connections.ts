import { isAged } from '../../contracts/connection.ts';
import type { Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { Analysis } from '../analysis.ts';
import { clientNumber, isFleet } from '../analysis.ts';

/** How many connections stood at some times; between two points the value is the earlier one's. */
export interface Gauge {
  /** Whole seconds since the cell began, rising. */
  readonly seconds: readonly number[];
  readonly values: readonly number[];
}

/** Who is connected where, over time. */
export interface Connections {
  readonly byVersion: Readonly<Record<string, Gauge>>;
  readonly byPod: Readonly<Record<string, Gauge>>;
  readonly byNode: Readonly<Record<string, Gauge>>;
  /** Clients that were connected before and know that they no longer are. */
  readonly away: Gauge;
  /** Without those whose connection was closed for its age. */
  readonly mostAway: number;
  readonly mostAwayAt: Millis | null;
  /** From when on every client was connected to v2 to the end, or null when that never came. */
  readonly allOnV2At: Millis | null;
}

class Counter {
  readonly seconds: number[] = [];
  readonly values: number[] = [];
  value = 0;

  add(change: number, at: Millis): void {
    this.value += change;
    const second = Math.floor(at / 1000);
    if (this.seconds.at(-1) === second) this.values[this.values.length - 1] = this.value;
    else {
      this.seconds.push(second);
      this.values.push(this.value);
    }
  }
}

interface Place {
  pod: string;
  version: string;
  node: string;
  open: boolean;
  /** Its connection was closed for its age. */
  renews: boolean;
}

interface State {
  readonly places: Place[];
  clients: number;
  /** Clients whose connection was closed for its age, and that are not back yet. */
  renewing: number;
  readonly byVersion: Map<string, Counter>;
  readonly byPod: Map<string, Counter>;
  readonly byNode: Map<string, Counter>;
  readonly nodes: Map<string, string>;
  readonly away: Counter;
  mostAway: number;
  mostAwayAt: Millis | null;
  allOnV2At: Millis | null;
}

function counter(counters: Map<string, Counter>, name: string): Counter {
  let found = counters.get(name);
  if (found === undefined) {
    found = new Counter();
    counters.set(name, found);
  }
  return found;
}

function count(state: State, { pod, version, node }: Place, change: number, at: Millis): void {
  counter(state.byVersion, version).add(change, at);
  counter(state.byPod, pod).add(change, at);
  if (node !== '') counter(state.byNode, node).add(change, at);
}

function opened(state: State, event: Extract<Timed, { type: 'open' | 'rehomed' }>): void {
  const number = clientNumber(event.client);
  const node = event.node ?? state.nodes.get(event.pod) ?? '';
  const place = state.places[number];
  const next = { pod: event.pod, version: event.version, node, open: true, renews: false };
  if (place === undefined) state.clients++;
  // Make before break: the old connection ends as the new one begins. Or another gateway has taken it over.
  else if (place.open) count(state, place, -1, event.at);
  else {
    state.away.add(-1, event.at);
    if (place.renews) state.renewing--;
  }
  state.places[number] = next;
  count(state, next, 1, event.at);
}

function closed(state: State, event: Extract<Timed, { type: 'closed' }>): void {
  const place = state.places[clientNumber(event.client)];
  if (place === undefined || !place.open || event.replaced === true) return;
  place.open = false;
  place.renews = isAged(event.ending);
  if (place.renews) state.renewing++;
  count(state, place, -1, event.at);
  state.away.add(1, event.at);
  if (state.away.value - state.renewing > state.mostAway) {
    state.mostAway = state.away.value - state.renewing;
    state.mostAwayAt = event.at;
  }
}

const gauge = ({ seconds, values }: Counter): Gauge => ({ seconds, values });
const gauges = (counters: Map<string, Counter>) =>
  Object.fromEntries(
    [...counters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, counted]) => [name, gauge(counted)]),
  );

/** Connections of the fleet by version, pod and node, who is away, and when all have arrived on v2. */
export const connectionsAnalysis: Analysis<State, Connections> = {
  name: 'connections',
  start: () => ({
    places: [],
    clients: 0,
    renewing: 0,
    byVersion: new Map(),
    byPod: new Map(),
    byNode: new Map(),
    nodes: new Map(),
    away: new Counter(),
    mostAway: 0,
    mostAwayAt: null,
    allOnV2At: null,
  }),
  fold(state, event) {
    if (event.type === 'pod') {
      if (event.node !== '') state.nodes.set(event.pod, event.node);
      return;
    }
    if (event.type !== 'open' && event.type !== 'rehomed' && event.type !== 'closed') return;
    if (!isFleet(event.client)) return;
    if (event.type === 'closed') closed(state, event);
    else opened(state, event);
    const onV2 = state.byVersion.get('v2')?.value ?? 0;
    if (onV2 < state.clients - state.renewing) state.allOnV2At = null;
    else state.allOnV2At ??= event.at;
  },
  result: (state) => ({
    byVersion: gauges(state.byVersion),
    byPod: gauges(state.byPod),
    byNode: gauges(state.byNode),
    away: gauge(state.away),
    mostAway: state.mostAway,
    mostAwayAt: state.mostAwayAt,
    allOnV2At: state.allOnV2At,
  }),
};
