import { isAged } from '../../contracts/connection.ts';
import type { Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { Analysis } from '../analysis.ts';
import { clientNumber, isFleet } from '../analysis.ts';
import { ReturnLaw } from './return-law.ts';

/** What happened in each second of the cell; index 0 is the first second. */
export interface Rates {
  readonly disconnects: readonly number[];
  readonly reconnects: readonly number[];
  readonly refused: readonly number[];
  /** Most reconnects in one second of the cell. */
  readonly peakReconnectsPerSecond: number;
  /** Most reconnects in ten successive seconds, per second. */
  readonly peakReconnectsPer10Seconds: number;
  /** Most clients that noticed a disconnect in ten successive seconds; who is dropped twice in them counts once. */
  readonly mostDroppedIn10Seconds: number;
  /** When these ten seconds begin, or null when nobody was disconnected. */
  readonly mostDroppedAt: Millis | null;
  /** Most reconnects a second that follow from how the gateways let their clients go; null where no law is known. */
  readonly theoreticalPeakPerSecond: number | null;
}

/** Seconds in which drops make one moment: those of the bound on losing all at once. */
const MOMENT = 10;

interface State {
  /** Of a watched cell before its release, when what is lost is background. */
  before: boolean;
  readonly law: ReturnLaw;
  readonly disconnects: number[];
  readonly reconnects: number[];
  readonly refused: number[];
  readonly known: boolean[];
  /** The second of each client's latest drop. */
  readonly latest: number[];
  /** By how many the clients dropped in the ten seconds that end with a second are more than one second earlier. */
  readonly change: number[];
}

const second = (at: Millis) => Math.floor(at / 1000);
const count = (bins: number[], at: Millis) => {
  const bin = second(at);
  while (bins.length <= bin) bins.push(0);
  (bins[bin] as number)++;
};

/** The most in `width` successive bins. */
function peakWindow(bins: readonly number[], width: number): number {
  let sum = 0;
  let most = 0;
  for (let bin = 0; bin < bins.length; bin++) {
    sum += (bins[bin] as number) - (bins[bin - width] ?? 0);
    most = Math.max(most, sum);
  }
  return most;
}

/** Counts a client as dropped in each ten seconds that hold this drop, other than those that hold its last one too. */
function countDropped({ latest, change }: State, client: number, at: Millis): void {
  const now = second(at);
  const from = Math.max(now, (latest[client] ?? -MOMENT) + MOMENT);
  const until = now + MOMENT;
  while (change.length <= until) change.push(0);
  (change[from] as number)++;
  (change[until] as number)--;
  latest[client] = now;
}

/** The most clients dropped in any ten seconds, and the first second of these. */
function mostDropped(change: readonly number[]): { most: number; first: number } {
  let dropped = 0;
  let most = 0;
  let first = 0;
  for (const [last, more] of change.entries()) {
    dropped += more;
    if (dropped > most) {
      most = dropped;
      first = Math.max(0, last - MOMENT + 1);
    }
  }
  return { most, first };
}

/** Disconnects (when noticed), reconnects and refused attempts of the fleet, second by second. */
export const ratesAnalysis: Analysis<State, Rates> = {
  name: 'rates',
  start: (cell) => ({
    before: cell.kind === 'watch',
    law: new ReturnLaw(cell),
    disconnects: [],
    reconnects: [],
    refused: [],
    known: [],
    latest: [],
    change: [],
  }),
  fold(state, event: Timed) {
    state.law.fold(event);
    switch (event.type) {
      case 'open': {
        if (!isFleet(event.client)) return;
        const number = clientNumber(event.client);
        if (state.known[number]) count(state.reconnects, event.at);
        state.known[number] = true;
        return;
      }
      case 'closed':
        if (!isFleet(event.client) || event.replaced === true || event.ending.how === 'harness-died') return;
        count(state.disconnects, event.at);
        if (state.before) return;
        if (!isAged(event.ending)) countDropped(state, clientNumber(event.client), event.at);
        return;
      case 'step':
        if (event.phase === 'release') state.before = false;
        return;
      case 'refused':
        if (isFleet(event.client)) count(state.refused, event.at);
        return;
      case 'end':
        // All three series reach to the end of the cell.
        for (const bins of [state.disconnects, state.reconnects, state.refused])
          while (bins.length <= second(event.at)) bins.push(0);
        return;
    }
  },
  result({ law, disconnects, reconnects, refused, change }) {
    const { most, first } = mostDropped(change);
    return {
      disconnects,
      reconnects,
      refused,
      peakReconnectsPerSecond: peakWindow(reconnects, 1),
      peakReconnectsPer10Seconds: peakWindow(reconnects, 10) / 10,
      mostDroppedIn10Seconds: most,
      mostDroppedAt: most === 0 ? null : first * 1000,
      theoreticalPeakPerSecond: law.peak(),
    };
  },
};
