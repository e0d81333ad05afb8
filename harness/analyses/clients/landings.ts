import { isAged } from '../../contracts/connection.ts';
import type { ClientName } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { Analysis } from '../analysis.ts';
import { isFleet } from '../analysis.ts';

/** Who (re)connected to the version that was on its way out. */
export interface Landings {
  /** Begin of the release's cut-over step, or null when no step was marked so. */
  readonly cutOverAt: Millis | null;
  /** Clients that landed on the old version at least once after the cut-over. */
  readonly landedOnOld: number;
  /** Connections opened to the old version after the cut-over. */
  readonly landings: number;
  readonly lastLandingAt: Millis | null;
}

interface State {
  /** The version that new connections should not land on, once a cut-over has begun. */
  old: 'v1' | 'v2' | undefined;
  /** Begin of the cut-over that `old` follows from. */
  since: Millis;
  cutOverAt: Millis | null;
  readonly clients: Set<ClientName>;
  /** Clients whose connection was closed for its age: it was not the release that sent them for a new one. */
  readonly renewing: Set<ClientName>;
  landings: number;
  lastLandingAt: Millis | null;
}

/**
 * From the begin of the step marked as cut-over on, new connections should land on v2; from the begin of a
 * rollback's cut-over on, on v1. Between the begin of a rollback and its cut-over nothing is expected, nor of what
 * arrives within the cut-over's own millisecond: it was under way before.
 */
export const landingsAnalysis: Analysis<State, Landings> = {
  name: 'landings',
  start: () => ({
    old: undefined,
    since: 0,
    cutOverAt: null,
    clients: new Set(),
    renewing: new Set(),
    landings: 0,
    lastLandingAt: null,
  }),
  fold(state, event) {
    if (event.type === 'step' && event.edge === 'begin') {
      if (event.phase === 'release' && event.cutOver === true) {
        turn(state, 'v1', event.at);
        state.cutOverAt ??= event.at;
      } else if (event.phase === 'rollback') {
        if (event.cutOver === true) turn(state, 'v2', event.at);
        else if (state.old === 'v1') state.old = undefined;
      }
    }
    if (event.type === 'closed' && isAged(event.ending)) state.renewing.add(event.client);
    // Whoever takes a connection over lands it as well.
    if (event.type !== 'open' && event.type !== 'rehomed') return;
    if (state.renewing.delete(event.client)) return;
    if (event.version !== state.old || event.at === state.since || !isFleet(event.client)) return;
    state.clients.add(event.client);
    state.landings++;
    state.lastLandingAt = event.at;
  },
  result: ({ cutOverAt, clients, landings, lastLandingAt }) => ({
    cutOverAt,
    landedOnOld: clients.size,
    landings,
    lastLandingAt,
  }),
};

/** A cut-over begins; where several steps are one, the first of them counts. */
function turn(state: State, old: 'v1' | 'v2', at: Millis): void {
  if (state.old !== old) state.since = at;
  state.old = old;
}
