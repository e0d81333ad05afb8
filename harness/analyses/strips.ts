import type { CellHeader, ClientName } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { Analysis } from './analysis.ts';
import { clientNumber, isFleet } from './analysis.ts';

/** A stretch of one client's life: connected to a version, known to be away, or silent (dated back to the last answer). */
interface Stretch {
  readonly from: Millis;
  readonly to: Millis;
  readonly state: string;
}

/** The lives of a sample of the fleet. */
export interface Strips {
  readonly clients: readonly { readonly client: ClientName; readonly stretches: readonly Stretch[] }[];
  /** Every how manieth client is shown. */
  readonly every: number;
}

/** More strips than this are a carpet, not a picture. */
const MOST = 60;

interface Life {
  readonly client: ClientName;
  readonly stretches: Stretch[];
  state: string;
  from: Millis;
}

interface State {
  readonly every: number;
  readonly lives: Map<number, Life>;
  end: Millis;
}

function become(life: Life, state: string, at: Millis): void {
  if (at > life.from) life.stretches.push({ from: life.from, to: at, state: life.state });
  life.state = state;
  life.from = at;
}

/** Follows every n-th client, so that the sample is the same for every cell with as many clients. */
export const stripsAnalysis: Analysis<State, Strips> = {
  name: 'strips',
  start: (cell: CellHeader) => ({
    every: Math.max(1, Math.ceil(cell.axes.clients / MOST)),
    lives: new Map(),
    end: 0,
  }),
  fold(state, event) {
    state.end = event.at;
    if (event.type !== 'open' && event.type !== 'rehomed' && event.type !== 'closed') return;
    if (!isFleet(event.client)) return;
    const number = clientNumber(event.client);
    if (number % state.every !== 0) return;
    let life = state.lives.get(number);
    if (life === undefined) {
      life = { client: event.client, stretches: [], state: '', from: event.at };
      state.lives.set(number, life);
    }
    if (event.type !== 'closed') become(life, event.version, event.at);
    else if (event.replaced !== true) {
      if (event.ending.how === 'silence') become(life, 'silent', Math.max(life.from, event.lastAnswer));
      become(life, 'away', event.at);
    }
  },
  result: ({ lives, every, end }) => ({
    every,
    clients: [...lives]
      .sort(([a], [b]) => a - b)
      .map(([, { client, stretches, state, from }]) => ({
        client,
        stretches: end > from ? [...stretches, { from, to: end, state }] : stretches,
      })),
  }),
};
