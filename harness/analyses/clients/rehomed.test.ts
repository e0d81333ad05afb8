import { expect, it } from 'vitest';
import type { Timed } from '../../contracts/event.ts';
import { analyze } from '../analyze.ts';
import { testCell } from '../test-log.ts';

const cell = testCell({ strategy: 'handoff', axes: { clients: 2 } });

/** Two clients on v1; both are taken over by v2 after the cut-over, without a disconnect. */
const taken: Timed[] = [
  { at: 0, type: 'pod', pod: 'one', version: 'v1', node: 'node-1', phase: 'running', ready: true },
  { at: 0, type: 'pod', pod: 'two', version: 'v2', node: 'node-2', phase: 'running', ready: true },
  { at: 1000, type: 'open', client: 'c0', pod: 'one', version: 'v1', node: 'node-1', attempts: 1 },
  { at: 1000, type: 'open', client: 'c1', pod: 'one', version: 'v1', node: 'node-1', attempts: 1 },
  { at: 1000, type: 'open', client: 'k0', pod: 'control', version: 'v1', attempts: 1 },
  { at: 5000, type: 'step', name: 'move', edge: 'begin', phase: 'release', cutOver: true },
  { at: 7000, type: 'rehomed', client: 'c0', pod: 'two', version: 'v2', node: 'node-2' },
  { at: 9000, type: 'rehomed', client: 'c1', pod: 'two', version: 'v2', node: 'node-2' },
  { at: 9500, type: 'step', name: 'move', edge: 'end', phase: 'release', cutOver: true },
];
const end: Timed = { at: 60_000, type: 'end', outcome: 'finished' };

it('counts clients that another gateway took over as moved, and as nothing else', () => {
  const { document, connections, ledger, rates, strips } = analyze(cell, [...taken, end]);
  expect(document).toMatchObject({
    rehomed: 2,
    dropped: 0,
    disconnects: 0,
    replacedConnections: 0,
    landedOnOld: 0,
    peakReconnectsPerSecond: 0,
    mostAwayShare: 0,
    allOnV2Millis: 4000,
    verdict: 'pass',
  });
  expect(ledger.rows).toEqual([]);
  expect(rates.reconnects.every((count) => count === 0)).toBe(true);
  expect(connections.byVersion).toEqual({
    v1: { seconds: [1, 7, 9], values: [2, 1, 0] },
    v2: { seconds: [7, 9], values: [1, 2] },
  });
  expect(connections.byNode['node-2']).toEqual({ seconds: [7, 9], values: [1, 2] });
  expect(strips.clients[0]?.stretches.map(({ state }) => state)).toEqual(['v1', 'v2']);
});

it('blames a later drop on the gateway that served then, not on what became of packets before', () => {
  const { ledger } = analyze(cell, [
    ...taken.slice(0, 6),
    { at: 6000, type: 'fate', client: 'c0', verdict: 'dropped', node: 'node-1', rule: 'some rule' },
    ...taken.slice(6),
    { at: 20_000, type: 'gateway', pod: 'two', did: 'killed', why: 'SIGKILL', connections: 2 },
    {
      at: 20_000,
      type: 'closed',
      client: 'c0',
      pod: 'two',
      version: 'v2',
      ending: { how: 'fin' },
      lastAnswer: 20_000,
    },
    end,
  ]);
  expect(ledger.rows).toMatchObject([
    { client: 'c0', podBefore: 'two', versionBefore: 'v2', nodeBefore: 'node-2', cause: 'gateway-ended' },
  ]);
});

it('counts being taken over by the old version after the cut-over as a landing on it', () => {
  const { document } = analyze(cell, [
    ...taken,
    { at: 10_000, type: 'rehomed', client: 'c0', pod: 'one', version: 'v1', node: 'node-1' },
    end,
  ]);
  expect(document).toMatchObject({ landedOnOld: 1, allOnV2Millis: null });
});
