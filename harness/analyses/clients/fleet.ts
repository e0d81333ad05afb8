import { isAged } from '../../contracts/connection.ts';
import type { ClientName, Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { Analysis } from '../analysis.ts';
import { clientNumber, isFleet } from '../analysis.ts';

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;
export type Fate = Of<'fate'>;

/** One disconnect of one client, as the log tells it; why it happened is the ledger's business. */
export interface Drop {
  readonly client: ClientName;
  /** 1 for the client's first disconnect. */
  readonly nth: number;
  readonly pod: string;
  readonly version: string;
  readonly node: string | undefined;
  /** The proxy that the connection went through, where the cluster can know. */
  readonly hop: string | undefined;
  /** When the lost connection had been opened. */
  readonly openedAt: Millis;
  readonly lastAnswer: Millis;
  /** When the client noticed. */
  readonly detected: Millis;
  readonly ending: Exclude<Of<'closed'>['ending'], { how: 'harness-died' }>;
  readonly asked: boolean;
  /** What became of the first packet that was not delivered, where the cluster can know. */
  readonly fate: Fate | undefined;
  /** The open event that ended the time away; undefined while the client is still away. */
  returned: Of<'open'> | undefined;
  /** Attempts that were refused while away. */
  refused: number;
  /** The client's library gave up while away. */
  gaveUp: boolean;
}

interface ClientState {
  open: boolean;
  opens: number;
  /** Its disconnects, those for their age included. */
  closings: number;
  /** Those without. */
  drops: number;
  heals: number;
  node: string | undefined;
  hop: string | undefined;
  openedAt: Millis;
  fate: Fate | undefined;
  last: Drop | undefined;
}

interface State {
  /** Of a watched cell before its release: what is lost then is background. */
  before: boolean;
  readonly background: Drop[];
  readonly fleet: ClientState[];
  readonly control: ClientState[];
  readonly drops: Drop[];
  readonly controlDrops: Drop[];
  replaced: number;
  readonly rehomed: Set<ClientName>;
  refused: number;
  healings: number;
  longestHealing: Millis;
  end: Millis;
}

/** Its connection was closed for its age a moment ago, and nothing has kept it from coming again. */
const isRenewing = ({ last }: ClientState) =>
  last !== undefined && isAged(last.ending) && last.refused === 0 && !last.gaveUp;

/** What happened to the clients of a cell; of closings for age only `drops` tells. Counts are clients of the fleet unless named otherwise. */
export interface FleetResult {
  /** Clients that were ever connected. */
  readonly clients: number;
  readonly dropped: number;
  readonly droppedTwice: number;
  /** Clients by number of disconnects: [none, one, two, ...]. */
  readonly disconnectsPerClient: readonly number[];
  readonly healed: number;
  /** Silences that ended by themselves before the client gave up. */
  readonly healings: number;
  readonly longestHealing: Millis;
  /** Connections replaced before they were closed (make before break): nothing was lost. */
  readonly replacedConnections: number;
  /** Clients that another gateway took over without their noticing anything but its greeting. */
  readonly rehomed: number;
  readonly refusedAttempts: number;
  readonly gaveUp: number;
  readonly stillAway: number;
  readonly controlClients: number;
  readonly controlDropped: number;
  /** Every disconnect in the order in which the clients noticed. */
  readonly drops: readonly Drop[];
  readonly controlDrops: readonly Drop[];
  /** Of a watched release: what was lost before it began, which counts in nothing else. */
  readonly background: readonly Drop[];
  /** Time of the cell's last event. */
  readonly end: Millis;
}

const newClient = (): ClientState => ({
  open: false,
  opens: 0,
  closings: 0,
  drops: 0,
  heals: 0,
  node: undefined,
  hop: undefined,
  openedAt: 0,
  fate: undefined,
  last: undefined,
});

function clientOf(state: State, name: ClientName): ClientState {
  const group = isFleet(name) ? state.fleet : state.control;
  const number = clientNumber(name);
  let client = group[number];
  if (client === undefined) {
    client = newClient();
    group[number] = client;
  }
  return client;
}

function opened(client: ClientState, event: Of<'open'>): void {
  if (client.last !== undefined && client.last.returned === undefined) client.last.returned = event;
  client.open = true;
  client.opens++;
  client.node = event.node;
  client.hop = event.hop;
  client.openedAt = event.at;
  client.fate = undefined;
}

function closed(state: State, client: ClientState, event: Of<'closed'>): void {
  const { client: name, pod, version, ending, lastAnswer } = event;
  if (event.replaced === true) {
    if (isFleet(name)) state.replaced++;
    return;
  }
  client.open = false;
  // What became of such a connection nobody knows: the cell is unknown, and the release is not blamed.
  if (ending.how === 'harness-died') return;
  if (!state.before) {
    client.closings++;
    if (!isAged(ending)) client.drops++;
  }
  const drop: Drop = {
    client: name,
    nth: state.before ? 0 : client.closings,
    pod,
    version,
    node: client.node,
    hop: client.hop,
    openedAt: client.openedAt,
    lastAnswer,
    detected: event.at,
    ending,
    asked: event.asked === true,
    fate: client.fate,
    returned: undefined,
    refused: 0,
    gaveUp: false,
  };
  client.fate = undefined;
  client.last = drop;
  if (isFleet(name)) (state.before ? state.background : state.drops).push(drop);
  else state.controlDrops.push(drop);
}

/** Follows every client through the log: its disconnects, how long each lasted, what healed by itself. */
export const fleetAnalysis: Analysis<State, FleetResult> = {
  name: 'fleet',
  start: ({ kind }) => ({
    before: kind === 'watch',
    background: [],
    fleet: [],
    control: [],
    drops: [],
    controlDrops: [],
    replaced: 0,
    rehomed: new Set(),
    refused: 0,
    healings: 0,
    longestHealing: 0,
    end: 0,
  }),
  fold(state, event) {
    state.end = event.at;
    switch (event.type) {
      case 'step':
        if (event.phase === 'release') state.before = false;
        return;
      case 'open':
        return opened(clientOf(state, event.client), event);
      case 'closed':
        return closed(state, clientOf(state, event.client), event);
      case 'rehomed': {
        const client = clientOf(state, event.client);
        client.node = event.node;
        client.hop = event.hop;
        // Whatever became of packets to the gateway before is no matter of the one that serves now.
        client.fate = undefined;
        if (isFleet(event.client)) state.rehomed.add(event.client);
        return;
      }
      case 'fate': {
        const client = clientOf(state, event.client);
        if (client.open) client.fate = event;
        return;
      }
      case 'healed': {
        const client = clientOf(state, event.client);
        client.fate = undefined;
        client.heals++;
        if (isFleet(event.client)) {
          state.healings++;
          state.longestHealing = Math.max(state.longestHealing, event.silent);
        }
        return;
      }
      case 'refused': {
        const { last } = clientOf(state, event.client);
        if (last !== undefined && last.returned === undefined) last.refused++;
        if (isFleet(event.client)) state.refused++;
        return;
      }
      case 'gave-up': {
        const { last } = clientOf(state, event.client);
        if (last !== undefined && last.returned === undefined) last.gaveUp = true;
        return;
      }
    }
  },
  result(state) {
    const clients = Object.values(state.fleet).filter(({ opens }) => opens > 0);
    const control = Object.values(state.control).filter(({ opens }) => opens > 0);
    const disconnectsPerClient = [0, 0, 0];
    for (const { drops } of clients) disconnectsPerClient[drops] = (disconnectsPerClient[drops] ?? 0) + 1;
    // Sparse where nobody was dropped exactly that often.
    const histogram = Array.from(disconnectsPerClient, (count) => count ?? 0);
    return {
      clients: clients.length,
      dropped: clients.filter(({ drops }) => drops > 0).length,
      droppedTwice: clients.filter(({ drops }) => drops > 1).length,
      disconnectsPerClient: histogram,
      healed: clients.filter(({ heals }) => heals > 0).length,
      healings: state.healings,
      longestHealing: state.longestHealing,
      replacedConnections: state.replaced,
      rehomed: state.rehomed.size,
      refusedAttempts: state.refused,
      gaveUp: clients.filter(({ open, last }) => !open && last?.gaveUp === true).length,
      stillAway: clients.filter((client) => !client.open && !isRenewing(client)).length,
      controlClients: control.length,
      controlDropped: control.filter(({ drops }) => drops > 0).length,
      drops: state.drops,
      controlDrops: state.controlDrops,
      background: state.background,
      end: state.end,
    };
  },
};
