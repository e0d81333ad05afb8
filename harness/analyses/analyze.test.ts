import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Timed, TimedEvent } from '../contracts/event.ts';
import { analyze } from './analyze.ts';
import { foretoldBy, withPrediction } from './cell-document.ts';
import { type Story, testCell, testLog } from './test-log.ts';

const small = { clients: 300, pods: 4 };
const run = (story: Story, changes: Parameters<typeof testCell>[0] = {}) => {
  const cell = testCell({ ...changes, axes: { ...small, ...changes.axes } });
  return analyze(cell, testLog(cell, story));
};

/** A log written by hand: `[at, event]` in time order, with an end. */
const byHand = (...entries: [number, TimedEvent][]): Timed[] => [
  ...entries.map(([at, event]) => ({ at, ...event })),
  { at: (entries.at(-1)?.[0] ?? 0) + 1000, type: 'end', outcome: 'finished' },
];
const open = (client: string, pod: string, version: string, attempts = 1): TimedEvent => ({
  type: 'open',
  client,
  pod,
  version,
  node: 'n1',
  attempts,
});
const closed = (client: string, pod: string, version: string, lastAnswer: number, more = {}): TimedEvent => ({
  type: 'closed',
  client,
  pod,
  version,
  ending: { how: 'reset' },
  lastAnswer,
  ...more,
});
const begin = (name: string, phase: 'release' | 'rollback', cutOver = false): TimedEvent => ({
  type: 'step',
  name,
  edge: 'begin',
  phase,
  ...(cutOver ? { cutOver } : {}),
});

describe('one pass over a cell', () => {
  test('is a pure function of header and events', () => {
    const cell = testCell({ axes: small });
    const log = testLog(cell, 'rolling');
    expect(JSON.stringify(analyze(cell, log))).toBe(JSON.stringify(analyze(cell, log)));
  });

  test('keeps its counts consistent, whatever happened', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Story>('fail-open', 'fail-open-heals', 'rolling', 'paced', 'calm'),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 5 }),
        (story, seed, pods) => {
          const { document, fleet, ledger, rates } = run(story, { seed, axes: { clients: 60, pods } });
          const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
          expect(sum(fleet.disconnectsPerClient)).toBe(document.clients);
          expect(document.clients - (fleet.disconnectsPerClient[0] ?? 0)).toBe(document.dropped);
          expect(ledger.rows.length).toBe(document.disconnects);
          expect(sum(rates.disconnects)).toBe(document.disconnects);
          expect(sum(ledger.chains.map(({ rows }) => rows))).toBe(document.disconnects);
          expect(sum(rates.reconnects)).toBe(document.disconnects - document.stillAway);
          expect(document.unattributed).toBe(0);
          expect(document.interval[0]).toBeLessThanOrEqual(document.droppedShare);
          expect(document.interval[1]).toBeGreaterThanOrEqual(document.droppedShare);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('folds 100,000 events of connections without keeping them', () => {
    const { document, connections } = run('rolling', { axes: { clients: 20_000, pods: 5 } });
    expect(document.clients).toBe(20_000);
    // At most one point a second and version, not one an event.
    for (const { seconds } of Object.values(connections.byVersion)) expect(seconds.length).toBeLessThan(1000);
  });
});

describe('drops', () => {
  test('of one client within ten seconds are one client of all, which are never more than 100 %', () => {
    const twice = byHand(
      [0, open('c0', 'a', 'v1')],
      [0, open('c1', 'a', 'v1')],
      [1000, begin('go', 'release')],
      [5000, closed('c0', 'a', 'v1', 5000)],
      [5000, closed('c1', 'a', 'v1', 5000)],
      [6000, open('c0', 'b', 'v1')],
      [8000, closed('c0', 'b', 'v1', 8000)],
      [9000, open('c0', 'c', 'v2')],
      [14_999, closed('c0', 'c', 'v2', 14_000)],
      [16_000, open('c0', 'd', 'v2')],
      [16_000, open('c1', 'd', 'v2')],
    );
    const { document, rates, criteria } = analyze(testCell({ axes: { clients: 2 } }), twice);
    expect(document).toMatchObject({ disconnects: 4, lossIn10SecondsShare: 1 });
    expect(rates).toMatchObject({ mostDroppedIn10Seconds: 2, mostDroppedAt: 0 });
    expect(criteria.find(({ name }) => name === 'never all at once')?.says).toContain('100 % of the clients');
  });

  test('are counted over the ten seconds that hold most clients, whoever is dropped again and again', () => {
    const events: [number, TimedEvent][] = ['c0', 'c1', 'c2', 'c3'].map((client) => [
      0,
      open(client, 'a', 'v1'),
    ]);
    // One client every three seconds for a minute; the other three at 40 s, 45 s and 49 s.
    for (let at = 3000; at <= 60_000; at += 3000)
      events.push([at, closed('c0', 'a', 'v1', at)], [at + 1000, open('c0', 'a', 'v1')]);
    for (const [client, at] of [
      ['c1', 40_000],
      ['c2', 45_000],
      ['c3', 50_000],
    ] as const)
      events.push([at, closed(client, 'a', 'v1', at)]);
    const { rates } = analyze(
      testCell({ axes: { clients: 4 } }),
      byHand(...events.sort(([a], [b]) => a - b)),
    );
    // c1 at 40 s and c3 at 50 s are never within the same ten.
    expect(rates).toMatchObject({ mostDroppedIn10Seconds: 3, mostDroppedAt: 36_000 });
  });

  test('of a calm cell are none, and its verdict is pass', () => {
    const { document } = run('calm');
    expect(document).toMatchObject({
      dropped: 0,
      droppedShare: 0,
      firstDropMillis: null,
      timeAway: null,
      verdict: 'pass',
    });
  });

  test('are counted from the last answer to the reopening, and per client', () => {
    const { document, ledger } = analyze(
      testCell({ axes: { clients: 2 } }),
      byHand(
        [0, open('c0', 'a', 'v1')],
        [0, open('c1', 'a', 'v1')],
        [1000, begin('go', 'release')],
        [5000, closed('c0', 'a', 'v1', 4000)],
        [6000, { type: 'refused', client: 'c0', attempt: 1, why: 'timeout' }],
        [9000, open('c0', 'b', 'v2', 2)],
        [10_000, closed('c0', 'b', 'v2', 10_000)],
        [12_000, open('c0', 'b', 'v2')],
      ),
    );
    expect(document).toMatchObject({
      dropped: 1,
      droppedTwice: 1,
      disconnects: 2,
      reset: 1,
      refusedAttempts: 1,
    });
    expect(document.firstDropMillis).toBe(4000);
    expect(document.timeAway).toEqual({ p50: 3500, p95: 4850, p99: 4970, max: 5000 });
    expect(ledger.rows[0]).toMatchObject({ nth: 1, podBefore: 'a', podAfter: 'b', attempts: 2, away: 5000 });
    expect(ledger.rows[1]).toMatchObject({ nth: 2, versionBefore: 'v2', away: 2000 });
  });

  test('that were replaced before they were closed are none', () => {
    const { document, connections } = analyze(
      testCell({ axes: { clients: 1 } }),
      byHand(
        [0, open('c0', 'a', 'v1')],
        [1000, begin('go', 'release')],
        [5000, closed('c0', 'a', 'v1', 4000, { asked: true, replaced: true })],
        [5000, open('c0', 'b', 'v2')],
      ),
    );
    expect(document).toMatchObject({
      dropped: 0,
      replacedConnections: 1,
      mostAwayShare: 0,
      allOnV2Millis: 4000,
    });
    expect(connections.byVersion.v1?.values.at(-1)).toBe(0);
  });

  test('that never ended count with the time until the end, and fail the cell', () => {
    const { document } = analyze(
      testCell({ axes: { clients: 1 } }),
      byHand(
        [0, open('c0', 'a', 'v1')],
        [5000, closed('c0', 'a', 'v1', 5000, { asked: true })],
        [7000, { type: 'gave-up', client: 'c0', attempts: 4 }],
      ),
    );
    expect(document).toMatchObject({ stillAway: 1, gaveUp: 1, verdict: 'fail' });
    expect(document.timeAway?.max).toBe(3000);
    expect(document.why).toContain('1 client was not connected at the end (1 gave up for good)');
  });

  test('are collateral only while the pod serves and has not asked', () => {
    const story = (event: TimedEvent | undefined, more = {}) =>
      analyze(
        testCell({ axes: { clients: 1 } }),
        byHand(
          [0, { type: 'pod', pod: 'a', version: 'v1', node: 'n1', phase: 'running', ready: true }],
          [0, open('c0', 'a', 'v1')],
          ...(event === undefined ? [] : [[4000, event] as [number, TimedEvent]]),
          [5000, closed('c0', 'a', 'v1', 5000, more)],
          [6000, open('c0', 'b', 'v2')],
        ),
      ).document.collateral;
    expect(story(undefined)).toBe(1);
    expect(story(undefined, { asked: true })).toBe(0);
    expect(story({ type: 'gateway', pod: 'a', did: 'sigterm', why: '' })).toBe(0);
    expect(
      story({ type: 'pod', pod: 'a', version: 'v1', node: 'n1', phase: 'terminating', ready: true }),
    ).toBe(0);
    // Failing its readiness probe, a pod still serves the connections it has.
    expect(story({ type: 'pod', pod: 'a', version: 'v1', node: 'n1', phase: 'running', ready: false })).toBe(
      1,
    );
  });

  test('of a healed silence are none', () => {
    const { document } = run('fail-open-heals');
    expect(document.dropped).toBe(0);
    expect(document.healed).toBeGreaterThan(100);
    expect(document.verdict).toBe('pass');
  });
});

describe('landings', () => {
  test('on the old version count from the cut-over, and turn round with a rollback', () => {
    const { landings } = analyze(
      testCell({ axes: { clients: 3 } }),
      byHand(
        [0, open('c0', 'a', 'v1')],
        [1000, begin('build', 'release')],
        [1500, open('c1', 'a', 'v1')],
        [2000, begin('flip', 'release', true)],
        [2500, open('c2', 'a', 'v1')],
        [2600, open('c2', 'b', 'v2')],
        [3000, begin('stop', 'rollback')],
        [3500, open('c0', 'a', 'v1')],
        [4000, begin('flip back', 'rollback', true)],
        [4500, open('c1', 'a', 'v1')],
        [4600, open('c0', 'b', 'v2')],
      ),
    );
    expect(landings).toEqual({ cutOverAt: 2000, landedOnOld: 2, landings: 2, lastLandingAt: 4600 });
  });
});

describe('the verdict', () => {
  test('is unknown when a control client dropped, whatever else happened', () => {
    const cell = testCell({ axes: small });
    const log = testLog(cell, 'rolling');
    log.splice(-1, 0, { at: 400_000, ...closed('k0', 'control', 'v1', 400_000) });
    const { document } = analyze(cell, log);
    expect(document.verdict).toBe('unknown');
    expect(document.why[0]).toBe('1 of 10 control clients was dropped, on a pod that no step touches');
    expect(document.dropped).toBe(300);
  });

  test('is unknown when a measured cell lagged by more than half of the heartbeat', () => {
    const cell = testCell({ evidence: 'measured', speed: 10, axes: small });
    const lagging = (lag: number) => {
      const log = testLog(cell, 'calm');
      log.splice(-1, 0, { at: 300_000, type: 'harness', lag, drift: 0 });
      return analyze(cell, log).document.verdict;
    };
    expect(lagging(15_000)).toBe('pass');
    expect(lagging(15_001)).toBe('unknown');
  });

  test.each([
    ['any client of a simulated cell has', {}, 1, 'unknown'],
    ['one of 200 clients of a measured cell has', { evidence: 'measured', speed: 10 }, 1, 'fail'],
    ['more than that of a measured cell have', { evidence: 'measured', speed: 10 }, 2, 'unknown'],
  ] as const)('where %s a drop without a cause', (_, more, drops, verdict) => {
    const cell = testCell({ ...more, axes: { clients: 200 } });
    const log = testLog(cell, 'calm');
    for (let client = 0; client < drops; client++)
      log.splice(-1, 0, { at: 300_000, ...closed(`c${client}`, 'gateway-v1-0', 'v1', 300_000) });
    const { document } = analyze(cell, log);
    expect(document).toMatchObject({ unattributed: drops, verdict });
    if (verdict === 'unknown') expect(document.why[0]).toMatch(/no cause for the drops of .*: unattributed/);
  });

  test("is unknown when a part of the harness died, and what it held is nobody's loss", () => {
    const cell = testCell({ evidence: 'measured', speed: 10, axes: small });
    const log = testLog(cell, 'calm');
    const ending = { ending: { how: 'harness-died' } } as const;
    log.splice(
      -1,
      0,
      { at: 300_000, type: 'harness-died', part: 'dial process 1 of 2', why: 'SIGKILL' },
      { at: 300_000, ...closed('c0', 'gateway-v1-0', 'v1', 300_000), ...ending } as Timed,
      { at: 301_000, ...open('c0', 'gateway-v1-0', 'v1') },
    );
    const { document } = analyze(cell, log);
    expect(document).toMatchObject({ dropped: 0, reset: 0, disconnects: 0, lossIn10SecondsShare: 0 });
    expect(document.why).toEqual(["the harness's own part died: dial process 1 of 2 (SIGKILL)"]);
    expect(document.verdict).toBe('unknown');
  });

  test('names the process of the harness that lagged', () => {
    const cell = testCell({ evidence: 'measured', speed: 10, axes: small });
    const log = testLog(cell, 'calm');
    log.splice(-1, 0, { at: 300_000, type: 'harness', lag: 20_000, drift: 0, part: 'agent of n1' });
    expect(analyze(cell, log).document.why[0]).toMatch(/^the harness's agent of n1 lagged by 20s/);
  });

  test('is unknown when the cell did not finish, or its log breaks off', () => {
    const cell = testCell({ axes: small });
    const log = testLog(cell, 'calm').slice(0, -1);
    expect(analyze(cell, log).document.why).toEqual(["the log breaks off before the cell's end"]);
    const at = log.at(-1)?.at ?? 0;
    expect(
      analyze(cell, [...log, { at, type: 'end', outcome: 'broken', why: 'no API server' }]).document.why,
    ).toEqual(['the cell was broken: no API server']);
  });

  test('is unknown when an analysis throws, and the others still tell what they can', () => {
    const cell = testCell({ axes: small });
    const log = testLog(cell, 'calm');
    log.splice(-1, 0, { at: 300_000, type: 'endpoints', service: 'gateway', endpoints: null } as never);
    const { document } = analyze(cell, log);
    expect(document.verdict).toBe('unknown');
    expect(document.why[0]).toMatch(/^analysis failed: ledger: /);
    expect(document.clients).toBe(300);
  });

  test('is unknown when not everybody was ever connected', () => {
    const cell = testCell({ axes: { ...small, clients: 301 } });
    expect(analyze(cell, testLog(testCell({ axes: small }), 'calm')).document.why).toEqual([
      'only 300 of 301 clients were ever connected',
    ]);
  });

  test('fails for losses of more than half of the clients within ten seconds', () => {
    const { document } = run('rolling', { axes: { clients: 300, pods: 1 } });
    expect(document.lossIn10SecondsShare).toBe(1);
    expect(document.why).toContain('100 % of the clients were dropped within 10 seconds, more than 50 %');
  });
});

describe('a prediction', () => {
  const measured = run('fail-open', { seed: 2 }).document;

  test('agrees when the interval of the difference contains 0', () => {
    const predicted = foretoldBy(run('fail-open', { seed: 3 }).document);
    expect(withPrediction(measured, [predicted]).predicted?.agrees).toBe(true);
    const calm = foretoldBy(run('calm').document);
    expect(withPrediction(measured, [calm]).predicted).toEqual({
      droppedShare: 0,
      range: [0, 0],
      samples: [calm],
      agrees: false,
    });
  });

  test('agrees with a share between those of seeds that took different courses', () => {
    const { clients } = measured;
    const samples = [0.3, 0.45, 0.35, 0.5, 0.55, 0.4].map((share, seed) => ({
      ...foretoldBy(measured),
      seed,
      dropped: Math.round(share * clients),
    }));
    const { predicted } = withPrediction({ ...measured, dropped: Math.round(0.47 * clients) }, samples);
    expect(predicted).toMatchObject({
      agrees: true,
      range: [samples[0], samples[4]].map((one) => (one?.dropped ?? 0) / clients),
    });
    expect(withPrediction({ ...measured, dropped: clients }, samples).predicted?.agrees).toBe(false);
  });
});
