import { mean } from 'simple-statistics';
import type { Axes } from '../contracts/axes.ts';
import type { CellHeader, Foretold } from '../contracts/event.ts';
import type { Interval, Quantiles } from '../statistics/statistics.ts';
import { agreesWithSeeds, quantiles, wilsonInterval } from '../statistics/statistics.ts';
import type { Millis } from '../time/duration.ts';
import { assumptions } from './assumptions.ts';
import type { Background } from './background.ts';
import type { CapacityDocument } from './capacity/capacity.ts';
import type { Connections } from './clients/connections.ts';
import type { FleetResult } from './clients/fleet.ts';
import type { Landings } from './clients/landings.ts';
import type { Rates } from './clients/rates.ts';
import type { Shape } from './clients/shape.ts';
import type { Ledger, LedgerRow } from './ledger/ledger.ts';
import type { Judgement, VerdictName } from './verdict.ts';

/**
 * The stable, documented result of one cell, as `--format json` and report.json show it. Counts are clients of
 * the fleet unless named otherwise; times are milliseconds of model time.
 */
export interface CellDocument {
  readonly id: string;
  readonly strategy: string;
  readonly cluster: string;
  readonly evidence: 'modelled' | 'measured';
  readonly seed: number;
  readonly axes: Axes;
  /** Clients that were ever connected. */
  readonly clients: number;
  /** Clients with at least one disconnect. */
  readonly dropped: number;
  readonly droppedShare: number;
  /** Wilson interval (95 %) of droppedShare. */
  readonly interval: Interval;
  readonly droppedTwice: number;
  /** Clients by number of disconnects: [none, one, two, ...]. */
  readonly disconnectsPerClient: readonly number[];
  readonly landedOnOld: number;
  /** Clients with a disconnect whose cause the evidence does not show. */
  readonly unattributed: number;
  /** Clients with a disconnect whose cause was inferred from what happened at that time. */
  readonly inferred: number;
  /** When the first drop was noticed, counted from the begin of the step that caused it, or of the release where none did; null without any drop. */
  readonly firstDropMillis: Millis | null;
  /** Clients that lost a connection without any sign; only a heartbeat noticed. */
  readonly silent: number;
  readonly reset: number;
  readonly fin: number;
  /** Clients whose gateway sent a close frame. */
  readonly closed: number;
  /** Clients that left because they were asked to. */
  readonly asked: number;
  /** Clients whose connection fell silent and answered again before they gave it up. */
  readonly healed: number;
  /** Clients that lost a connection although its pod was still serving and had not asked them to go. */
  readonly collateral: number;
  readonly stillAway: number;
  readonly gaveUp: number;
  readonly controlClients: number;
  readonly controlDropped: number;
  /** Disconnects, not clients. */
  readonly disconnects: number;
  /** Connections that the gateways closed for their age (`--max-age`), which no other number counts: no release is needed for that. */
  readonly agedOut: number;
  /** Attempts, not clients. */
  readonly refusedAttempts: number;
  /** Connections, not clients: opened anew before the old one was closed. */
  readonly replacedConnections: number;
  /** Clients whose connection another gateway took over: they noticed nothing but its greeting. */
  readonly rehomed: number;
  readonly peakReconnectsPerSecond: number;
  /** The most in ten successive seconds, per second. */
  readonly peakReconnectsPer10Seconds: number;
  /**
   * The most reconnects a second that follow from how the gateways let their clients go: N / max(D, T) for N clients
   * that leave evenly over D and come back evenly over T, added up where that overlaps. Null where clients were lost
   * in another way, for which no law is known, or not at all.
   */
  readonly theoreticalPeakPerSecond: number | null;
  /** Largest share of the clients that noticed a loss within ten successive seconds; each counts once. */
  readonly lossIn10SecondsShare: number;
  /** Largest share of the clients that were away at the same time. */
  readonly mostAwayShare: number;
  /** From the begin of the release until every client was on v2 for good; null when that never came. */
  readonly allOnV2Millis: Millis | null;
  /** Most pods at the same time since the release began, over those that were there when it began. */
  readonly extraPods: number;
  /** How evenly the connections lie on the gateways that are ready at the end; null where none is. */
  readonly shape: Shape | null;
  /** Disconnects, not clients, that were noticed since the rollback began; null where nothing was rolled back. */
  readonly disconnectsSinceRollback: number | null;
  /** Of a watched release: what was lost before it began, which counts in nothing else. */
  readonly background?: Background;
  /** From the last answer to the reopening, over disconnects; a lower bound where `stillAway` is not 0; null without any disconnect. */
  readonly timeAway: Quantiles | null;
  /** What the limits of the pods did (`--pod-cpu`, `--pod-memory`, `--admission`); null where there were none. */
  readonly capacity: CapacityDocument | null;
  readonly verdict: VerdictName;
  readonly why: readonly string[];
  /** What the verdict takes for given, in sentences. */
  readonly assumes: readonly string[];
  /** What makes this result meaningless or surprising: a sentence each. */
  readonly warnings: readonly string[];
  readonly predicted?: Prediction;
}

/** What the simulator foretold for a measured cell. */
interface Prediction {
  /** Mean over all seeds that it was played with. */
  readonly droppedShare: number;
  /** The least and the greatest dropped share of a seed. */
  readonly range: Interval;
  /** Each seed that it was played with; the first is logged whole. */
  readonly samples: readonly Foretold[];
  /** The measured share can be one more of these samples, within 95 %. */
  readonly agrees: boolean;
}

/** Clients with a row that matches. */
function clientsWith(rows: readonly LedgerRow[], matches: (row: LedgerRow) => boolean): number {
  return new Set(rows.filter(matches).map(({ client }) => client)).size;
}

/** Puts the results of all analyses into the cell's document. */
export function cellDocument(
  cell: CellHeader,
  results: {
    fleet: FleetResult;
    ledger: Ledger;
    capacity: CapacityDocument | null;
    background: Background | null;
    rates: Rates;
    connections: Connections;
    landings: Landings;
    releaseAt: Millis | null;
    rollbackAt: Millis | null;
    extraPods: number;
    shape: Shape | null;
    judgement: Judgement;
    warnings: readonly string[];
  },
): CellDocument {
  const { fleet, ledger, rates, connections, landings, releaseAt, rollbackAt, judgement } = results;
  const { chains } = ledger;
  const rows = ledger.rows.filter(({ cause }) => cause !== 'aged-out');
  const share = (count: number) => (fleet.clients === 0 ? 0 : count / fleet.clients);
  const first = rows[0];
  const cause = first === undefined ? undefined : chains[first.chain]?.step;
  return {
    id: cell.id,
    strategy: cell.strategy,
    cluster: cell.cluster,
    evidence: cell.evidence,
    seed: cell.seed,
    axes: cell.axes,
    clients: fleet.clients,
    dropped: fleet.dropped,
    droppedShare: share(fleet.dropped),
    interval: wilsonInterval(fleet.dropped, fleet.clients),
    droppedTwice: fleet.droppedTwice,
    disconnectsPerClient: fleet.disconnectsPerClient,
    landedOnOld: landings.landedOnOld,
    unattributed: clientsWith(rows, (row) => row.cause === 'unattributed'),
    inferred: clientsWith(rows, (row) => row.inferred),
    firstDropMillis: first === undefined ? null : first.detected - (cause?.begin ?? releaseAt ?? 0),
    silent: clientsWith(rows, (row) => row.showed === 'silence'),
    reset: clientsWith(rows, (row) => row.showed === 'reset'),
    fin: clientsWith(rows, (row) => row.showed === 'fin'),
    closed: clientsWith(rows, (row) => row.showed.startsWith('close') && !row.asked),
    asked: clientsWith(rows, (row) => row.asked),
    healed: fleet.healed,
    collateral: clientsWith(rows, (row) => row.collateral),
    stillAway: fleet.stillAway,
    gaveUp: fleet.gaveUp,
    controlClients: fleet.controlClients,
    controlDropped: fleet.controlDropped,
    disconnects: rows.length,
    agedOut: ledger.rows.length - rows.length,
    refusedAttempts: fleet.refusedAttempts,
    replacedConnections: fleet.replacedConnections,
    rehomed: fleet.rehomed,
    peakReconnectsPerSecond: rates.peakReconnectsPerSecond,
    peakReconnectsPer10Seconds: rates.peakReconnectsPer10Seconds,
    theoreticalPeakPerSecond: rates.theoreticalPeakPerSecond,
    lossIn10SecondsShare: share(rates.mostDroppedIn10Seconds),
    mostAwayShare: share(connections.mostAway),
    allOnV2Millis:
      connections.allOnV2At === null || releaseAt === null ? null : connections.allOnV2At - releaseAt,
    extraPods: results.extraPods,
    shape: results.shape,
    disconnectsSinceRollback:
      rollbackAt === null ? null : rows.filter(({ detected }) => detected >= rollbackAt).length,
    ...(results.background === null ? {} : { background: results.background }),
    timeAway: quantiles(rows.map(({ away }) => away)),
    capacity: results.capacity,
    verdict: judgement.verdict,
    why: judgement.why,
    assumes: assumptions(cell, results.capacity),
    warnings: results.warnings,
  };
}

/** What a prediction's document says in the words of `Foretold`. */
export const foretoldBy = ({
  seed,
  clients,
  dropped,
  droppedTwice,
  collateral,
  silent,
}: CellDocument): Foretold => ({ seed, clients, dropped, droppedTwice, collateral, silent });

/** One figure of a measured cell, or of a sample of its prediction, as a share of the clients. */
export type Counted = (document: Pick<CellDocument, keyof Foretold>) => number;

/** Whether a figure of the measured cell can be one more of those that the seeds of its prediction gave. */
export function isForetold(figure: Counted, measured: CellDocument, samples: readonly Foretold[]): boolean {
  const sample = (document: Pick<CellDocument, keyof Foretold>) => ({
    successes: figure(document),
    trials: document.clients,
  });
  return agreesWithSeeds(sample(measured), samples.map(sample));
}

/** The shares of the clients that the seeds of a prediction gave for a figure. */
const foretoldShares = (figure: Counted, samples: readonly Foretold[]): number[] =>
  samples.map((sample) => (sample.clients === 0 ? 0 : figure(sample) / sample.clients));

/** The least and the greatest of them. */
export function foretoldRange(figure: Counted, samples: readonly Foretold[]): Interval {
  const shares = foretoldShares(figure, samples);
  return [Math.min(...shares), Math.max(...shares)];
}

const dropped: Counted = (document) => document.dropped;

/** The measured cell's document with what its prediction said, with one seed or several. */
export function withPrediction(measured: CellDocument, samples: readonly Foretold[]): CellDocument {
  return {
    ...measured,
    predicted: {
      droppedShare: mean(foretoldShares(dropped, samples)),
      range: foretoldRange(dropped, samples),
      samples,
      agrees: isForetold(dropped, measured, samples),
    },
  };
}
