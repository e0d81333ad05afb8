import type { CellHeader, ClientName, Timed } from '../contracts/event.ts';

/**
 * A pure fold over the timed events of one cell: the same events give the same result, today or years later.
 * `fold` may change the state it is given and nothing else; it sees events in the order of their arrival.
 */
export interface Analysis<State, Result> {
  readonly name: string;
  start(cell: CellHeader): State;
  fold(state: State, event: Timed): void;
  result(state: State): Result;
}

const FLEET = 'c'.charCodeAt(0);

/** Whether a client belongs to the fleet under test; else it is one of the control group. */
export const isFleet = (client: ClientName): boolean => client.charCodeAt(0) === FLEET;

/** A client's number within its group: 17 for `c17`. */
export const clientNumber = (client: ClientName): number => Number(client.slice(1));
