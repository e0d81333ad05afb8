import type { CellHeader, Timed } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { Analysis } from './analysis.ts';
import { clientNumber, isFleet } from './analysis.ts';

/** What happened in each second of the cell; index 0 is the first second. */
export interface Rates {
  readonly disconnects: readonly number[];
  readonly reconnects: readonly number[];
  readonly refused: readonly number[];
  /** Most reconnects in one second of the cell. */
  readonly peakReconnectsPerSecond: number;
  /** Most reconnects in ten successive seconds, per second. */
  readonly peakReconnectsPer10Seconds: number;
  /** Most disconnects noticed in ten successive seconds. */
  readonly peakDisconnectsIn10Seconds: number;
  /** When the ten seconds of most disconnects begin, or null when there was none. */
  readonly peakDisconnectsAt: Millis | null;
  /** Reconnects a second if all clients are lost evenly over D and return evenly over T: N / max(D, T). */
  readonly theoreticalPeakPerSecond: number;
}

interface State {
  readonly cell: CellHeader;
  readonly disconnects: number[];
  readonly reconnects: number[];
  readonly refused: number[];
  readonly known: boolean[];
  clients: number;
}

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
  return Math.max(1000, spreads[backoffModel]);
}

/** The time over which a paced drain or retirement spreads its disconnects, as the axes ask for it. */
const plannedDrain = ({ drain, retire, drainOver }: CellHeader['axes']): Millis =>
  drain === 'paced' || retire === 'paced' ? drainOver : 0;

const second = (at: Millis) => Math.floor(at / 1000);
const count = (bins: number[], at: Millis) => {
  const bin = second(at);
  while (bins.length <= bin) bins.push(0);
  (bins[bin] as number)++;
};

/** The most in `width` successive bins, and the first of them. */
function peakWindow(bins: readonly number[], width: number): { most: number; first: number } {
  let sum = 0;
  let most = 0;
  let first = 0;
  for (let bin = 0; bin < bins.length; bin++) {
    sum += bins[bin] as number;
    if (bin >= width) sum -= bins[bin - width] as number;
    if (sum > most) {
      most = sum;
      first = Math.max(0, bin - width + 1);
    }
  }
  return { most, first };
}

/** Disconnects (when noticed), reconnects and refused attempts of the fleet, second by second. */
export const ratesAnalysis: Analysis<State, Rates> = {
  name: 'rates',
  start: (cell) => ({ cell, disconnects: [], reconnects: [], refused: [], known: [], clients: 0 }),
  fold(state, event: Timed) {
    switch (event.type) {
      case 'open': {
        if (!isFleet(event.client)) return;
        const number = clientNumber(event.client);
        if (state.known[number]) count(state.reconnects, event.at);
        else state.clients++;
        state.known[number] = true;
        return;
      }
      case 'closed':
        if (!isFleet(event.client) || event.replaced === true || event.ending.how === 'harness-died') return;
        count(state.disconnects, event.at);
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
  result({ cell, disconnects, reconnects, refused, clients }) {
    const drops = peakWindow(disconnects, 10);
    return {
      disconnects,
      reconnects,
      refused,
      peakReconnectsPerSecond: peakWindow(reconnects, 1).most,
      peakReconnectsPer10Seconds: peakWindow(reconnects, 10).most / 10,
      peakDisconnectsIn10Seconds: drops.most,
      peakDisconnectsAt: drops.most === 0 ? null : drops.first * 1000,
      theoreticalPeakPerSecond:
        (clients * 1000) / Math.max(plannedDrain(cell.axes), firstWaitSpread(cell.axes)),
    };
  },
};
