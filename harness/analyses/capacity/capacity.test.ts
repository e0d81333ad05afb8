import { describe, expect, test } from 'vitest';
import type { Timed, TimedEvent } from '../../contracts/event.ts';
import { analyze } from '../analyze.ts';
import { testCell } from '../test-log.ts';
import type { CapacityDocument } from './capacity.ts';

type Entry = readonly [second: number, event: TimedEvent];
type Load = Extract<TimedEvent, { type: 'load' }>;

const CELL = testCell({ axes: { policy: 'Cluster', clients: 2, podCpu: 1, heartbeat: 30_000 } });

const load = (changes: Partial<Load> = {}): TimedEvent => ({
  type: 'load',
  pod: 'a',
  over: 1000,
  ...{ offered: 0, served: 0, stale: 0, refused: 0, dropped: 0, queue: 0, wait: 0, busy: 0, lateProbes: 0 },
  ...changes,
});
const pod = (phase: 'running' | 'terminating' | 'gone', ready = true): TimedEvent => ({
  ...{ type: 'pod', pod: 'a', version: 'v1', node: 'n1' },
  ...{ phase, ready },
});
const gateway = (did: 'sigterm' | 'killed', why = ''): TimedEvent => ({
  type: 'gateway',
  pod: 'a',
  did,
  why,
});
const open = (client: string, attempts = 1): TimedEvent => ({
  ...{ type: 'open', client, pod: 'a', version: 'v1', attempts },
});
const closed = (client: string, how: 'fin' | 'silence' = 'fin', lastAnswer = 0): TimedEvent => ({
  ...{ type: 'closed', client, pod: 'a', version: 'v1', ending: { how }, lastAnswer },
});
const refused = (client: string, why: string): TimedEvent => ({ type: 'refused', client, attempt: 1, why });

/** Two clients on pod a; the release lasts from 10 to 20 s, the cell until 1,000 s. */
function told(story: readonly Entry[], axes = {}) {
  const step = (edge: 'begin' | 'end'): TimedEvent => ({ type: 'step', name: 'it', edge, phase: 'release' });
  const entries: Entry[] = [
    [1, pod('running')],
    [2, open('c0')],
    [2, open('c1')],
    [3, load({ over: 3000, busy: 0.1 })],
    [10, step('begin')],
    ...story,
    [20, step('end')],
    [1000, { type: 'end', outcome: 'finished' }],
  ];
  const events = entries.map(([second, event]): Timed => ({ at: second * 1000, ...event }));
  const cell = { ...CELL, axes: { ...CELL.axes, ...axes } };
  return analyze(
    cell,
    events.sort((one, other) => one.at - other.at),
  );
}

const capacityOf = (...args: Parameters<typeof told>) => told(...args).document.capacity as CapacityDocument;

const BACK: readonly Entry[] = [
  [15, closed('c0')],
  [15, closed('c1')],
  [25, load({ offered: 2, served: 1, queue: 1, wait: 400, busy: 1, over: 5000 })],
  [25, open('c0')],
  [26, load({ served: 1, busy: 0.5 })],
  [26, open('c1')],
];

test('a queue that is bounded, without a probe that fails, holds, and the numbers of the return are told', () => {
  expect(capacityOf(BACK)).toEqual({
    ...{ outcome: 'holds', itselfAgainMillis: 6000, offeredAttempts: 2, servedAttempts: 2, staleAttempts: 0 },
    ...{ timedOutAttempts: 0, refusedAttempts: 0, droppedSyns: 0, peakOfferedPerSecond: 2 },
    ...{ peakServedPerSecond: 1, longestQueue: 1, longestWaitMillis: 400, busiestShare: 1 },
    ...{ attemptsPerReturn: 1, mostAttempts: 1, podsFallen: 0 },
    fallen: { 'not ready': 0, restarted: 0, 'out of memory': 0 },
  });
  const { load: series } = told(BACK);
  expect(series.queue.slice(24, 28)).toEqual([0, 1, 0, 0]);
  expect(series.busy.slice(19, 26)).toEqual([0, 1, 1, 1, 1, 1, 0.5]);
});

test('who waits longer than clients do means that the door does not hold, though everybody comes back', () => {
  const slow: Entry = [24, load({ wait: 10_001, stale: 3, dropped: 7 })];
  expect(capacityOf([...BACK, slow])).toMatchObject({
    ...{ outcome: 'recovers', longestWaitMillis: 10_001, staleAttempts: 3, droppedSyns: 7 },
  });
  expect(capacityOf([...BACK, slow], { connectTimeout: 20_000 }).outcome).toBe('holds');
});

test('attempts are told for each return, those that failed by how they did', () => {
  const failing: Entry[] = [
    [21, refused('c0', 'timeout')],
    [22, refused('c0', 'ETIMEDOUT')],
    [23, refused('c1', 'Unexpected server response: 503')],
  ];
  expect(capacityOf([...BACK, ...failing])).toMatchObject({
    ...{ timedOutAttempts: 2, attemptsPerReturn: 5 / 2, mostAttempts: 3 },
  });
});

test('who is away at the end, or a service that is itself again too late, is a collapse', () => {
  const { document, criteria } = told(BACK.slice(0, -1));
  expect(document.capacity).toMatchObject({ outcome: 'collapses', itselfAgainMillis: null });
  expect(criteria.find(({ name }) => name === 'does not collapse')?.outcome).toBe('fail');
  expect(capacityOf([...BACK, [950, load({ wait: 5000 })]])).toMatchObject({
    ...{ outcome: 'collapses', itselfAgainMillis: 930_000 },
  });
  expect(capacityOf([...BACK, [950, load({ wait: 5000 })]], { recoverWithin: 930_000 }).outcome).toBe(
    'holds',
  );
});

test('a client that gave up for good does not keep the service from being itself again', () => {
  const story: Entry[] = [...BACK.slice(0, -1), [30, { type: 'gave-up', client: 'c1', attempts: 4 }]];
  expect(capacityOf(story).outcome).toBe('holds');
});

describe('a pod falls', () => {
  const late: Entry = [100, load({ lateProbes: 1, wait: 40_000 })];

  test('that does not answer its livenessProbe and is restarted, killed or not', () => {
    const story: Entry[] = [...BACK, late, [110, gateway('sigterm')], [112, gateway('killed', 'SIGKILL')]];
    expect(capacityOf(story)).toMatchObject({ podsFallen: 1, fallen: { restarted: 1, 'not ready': 0 } });
    expect(capacityOf([...BACK, late, [110, gateway('killed', 'SIGKILL')]]).fallen.restarted).toBe(1);
  });

  test('that is out of the endpoints, but not where its readiness was taken on purpose', () => {
    const unready: Entry = [120, pod('running', false)];
    expect(capacityOf([...BACK, late, unready]).fallen['not ready']).toBe(1);
    expect(capacityOf([...BACK, unready]).podsFallen).toBe(0);
  });

  test('that needs more memory than it has, each time', () => {
    const killed = [100, 130, 160].map(
      (at): Entry => [at, gateway('killed', 'OOMKilled with 9 connections')],
    );
    expect(capacityOf([...BACK, ...killed]).fallen['out of memory']).toBe(3);
  });

  test('not by being deleted', () => {
    const story: Entry[] = [
      ...BACK,
      late,
      [105, pod('terminating')],
      [106, gateway('sigterm')],
      [107, pod('gone')],
    ];
    expect(capacityOf(story).podsFallen).toBe(0);
  });
});

describe('what is lost to load has a cause', () => {
  const causes = (story: readonly Entry[]) => told(story).ledger.rows.map(({ cause }) => cause);

  test('a ping that waits longer than its client', () => {
    const story: Entry[] = [
      [60, load({ wait: 30_000, queue: 90 })],
      [90, closed('c0', 'silence', 30_000)],
    ];
    expect(causes(story)).toEqual(['overloaded']);
    const { chains } = told(story).ledger;
    expect(chains[0]?.moments.at(-1)?.text).toBe(
      'a: what comes waits 30s for its turn, with 90 handshakes in the queue',
    );
    expect(
      causes([
        [60, load({ wait: 3000 })],
        [90, closed('c0', 'silence', 30_000)],
      ]),
    ).toEqual(['unattributed']);
  });

  test('a restart by a failed probe, and memory', () => {
    const late: Entry = [100, load({ lateProbes: 1, wait: 40_000 })];
    expect(causes([late, [110, gateway('sigterm')], [110, closed('c0')]])).toEqual(['restarted-by-probe']);
    expect(
      causes([
        [110, gateway('killed', 'OOMKilled with 9 connections')],
        [110, closed('c0')],
      ]),
    ).toEqual(['out-of-memory']);
  });
});

test('without limits nothing is told, whatever the axes ask for, and the door was assumed to hold', () => {
  const cell = testCell({ axes: { clients: 2, podCpu: 1 } });
  const { document, criteria } = analyze(cell, [{ at: 5, type: 'end', outcome: 'finished' }]);
  expect(document.capacity).toBeNull();
  expect(document.assumes.join()).toContain('assumed');
  expect(criteria.some(({ name }) => name === 'holds')).toBe(false);
});
