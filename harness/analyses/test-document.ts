import type { CellHeader } from '../contracts/event.ts';
import type { CellDocument } from './cell-document.ts';
import type { PlayedCell } from './ranking/ranking.ts';
import { testCell } from './test-log.ts';

/** A cell's document in which nothing bad happened, for tests. */
export function testDocument(header: CellHeader, changes: Partial<CellDocument> = {}): CellDocument {
  const { id, strategy, cluster, evidence, seed, axes } = header;
  return {
    id,
    strategy,
    cluster,
    evidence,
    seed,
    axes,
    clients: 1000,
    dropped: 0,
    droppedShare: 0,
    interval: [0, 0.004],
    droppedTwice: 0,
    disconnectsPerClient: [1000, 0, 0],
    landedOnOld: 0,
    unattributed: 0,
    inferred: 0,
    firstDropMillis: null,
    silent: 0,
    reset: 0,
    fin: 0,
    closed: 0,
    asked: 0,
    healed: 0,
    collateral: 0,
    stillAway: 0,
    gaveUp: 0,
    controlClients: 0,
    controlDropped: 0,
    disconnects: 0,
    agedOut: 0,
    refusedAttempts: 0,
    replacedConnections: 0,
    rehomed: 0,
    peakReconnectsPerSecond: 0,
    peakReconnectsPer10Seconds: 0,
    theoreticalPeakPerSecond: 1,
    lossIn10SecondsShare: 0,
    mostAwayShare: 0,
    allOnV2Millis: 60_000,
    extraPods: 0,
    shape: { pods: 1, most: 1000, mean: 1000, empty: 0 },
    disconnectsSinceRollback: null,
    timeAway: null,
    capacity: null,
    verdict: 'pass',
    why: [],
    assumes: [],
    warnings: [],
    ...changes,
  };
}

/** A played cell for tests: of a strategy, with what was found. */
export function testPlayed(
  strategy: string,
  changes: Parameters<typeof testCell>[0] = {},
  found: Partial<CellDocument> = {},
): PlayedCell {
  const header = testCell({ id: strategy, strategy, requires: [], ...changes });
  return { header, document: testDocument(header, found) };
}
