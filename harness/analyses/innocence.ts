import type { Timed } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { Analysis } from './analysis.ts';

/** What the harness saw of itself, to prove that it did not drop the clients. */
export interface Innocence {
  readonly worstLag: Millis;
  readonly worstLagAt: Millis | null;
  readonly worstDrift: Millis;
  /** How often it looked. */
  readonly samples: number;
  /** How the cell ended; `missing` when the log breaks off before its end. */
  readonly outcome: Extract<Timed, { type: 'end' }>['outcome'] | 'missing';
  readonly why: string | undefined;
}

interface State {
  worstLag: Millis;
  worstLagAt: Millis | null;
  worstDrift: Millis;
  samples: number;
  end: Extract<Timed, { type: 'end' }> | undefined;
}

/** The harness's own event-loop lag and clock drift, and whether the cell was finished. */
export const innocenceAnalysis: Analysis<State, Innocence> = {
  name: 'innocence',
  start: () => ({ worstLag: 0, worstLagAt: null, worstDrift: 0, samples: 0, end: undefined }),
  fold(state, event) {
    if (event.type === 'end') state.end = event;
    if (event.type !== 'harness') return;
    state.samples++;
    state.worstDrift = Math.max(state.worstDrift, Math.abs(event.drift));
    if (event.lag > state.worstLag) {
      state.worstLag = event.lag;
      state.worstLagAt = event.at;
    }
  },
  result: ({ worstLag, worstLagAt, worstDrift, samples, end }) => ({
    worstLag,
    worstLagAt,
    worstDrift,
    samples,
    outcome: end?.outcome ?? 'missing',
    why: end?.why,
  }),
};
