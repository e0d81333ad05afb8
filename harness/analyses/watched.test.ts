import { describe, expect, test } from 'vitest';
import type { CellHeader, Timed, TimedEvent } from '../contracts/event.ts';
import { analyze } from './analyze.ts';
import { testCell } from './test-log.ts';

type Entry = readonly [number, TimedEvent];
const open = (client: string, pod: string): TimedEvent => ({
  type: 'open',
  client,
  pod,
  version: '1',
  attempts: 1,
});
const closed = (
  client: string,
  pod: string,
  ending: Extract<TimedEvent, { type: 'closed' }>['ending'],
): TimedEvent => ({
  ...{ type: 'closed', client, pod, version: '1', ending, lastAnswer: 0 },
});
const close = { how: 'close', code: 1001, reason: '' } as const;
const pod = (name: string, phase: 'running' | 'terminating' | 'gone'): TimedEvent => ({
  ...{ type: 'pod', pod: name, version: '1', node: 'n', phase, ready: true },
});
const step = (
  phase: 'prepare' | 'release',
  name = 'helm upgrade',
  edge: 'begin' | 'end' = 'begin',
): TimedEvent => ({
  ...{ type: 'step', name, edge, phase },
});

/** A watched cell: ten clients connected at 1 s, the release at 100 s, the end at 200 s. */
function watched(story: readonly Entry[], more: Partial<Omit<CellHeader, 'axes'>> = {}) {
  const cell = testCell({
    ...{
      kind: 'watch',
      sees: 'cluster',
      evidence: 'measured',
      cluster: 'yours',
      speed: 1,
      strategy: 'watch',
    },
    ...more,
    axes: { clients: 10, policy: 'Cluster' },
  });
  const clients = Array.from({ length: 10 }, (_, number): Entry => [1000, open(`c${number}`, 'a')]);
  const log: Entry[] = [
    [0, step('prepare', 'clients connect')],
    [0, pod('a', 'running')],
    ...clients,
    [1000, step('prepare', 'clients connect', 'end')],
    [100_000, step('release')],
    [110_000, step('release', 'helm upgrade', 'end')],
    ...story,
    [200_000, { type: 'end', outcome: 'finished' }],
  ];
  return analyze(
    cell,
    log.map(([at, event]): Timed => ({ at, ...event })).sort((one, other) => one.at - other.at),
  );
}

describe('a watched release', () => {
  test('tells what was lost before it as background, with a rate, and counts it nowhere else', () => {
    const { document } = watched([
      [50_000, closed('c0', 'a', { how: 'reset' })],
      [52_000, open('c0', 'a')],
    ]);
    expect(document).toMatchObject({ dropped: 0, disconnects: 0, lossIn10SecondsShare: 0, verdict: 'pass' });
    expect(document.background).toMatchObject({ disconnects: 1, overMillis: 99_000 });
    // One in 99 s of ten clients.
    expect(document.background?.perThousandAnHour).toBeCloseTo(3636.4, 0);
  });

  test('is unknown where the background alone would explain half of its drops', () => {
    const lost: Entry[] = [0, 1, 2, 3].flatMap((number): Entry[] => [
      [20_000 + number, closed(`c${number}`, 'a', { how: 'reset' })],
      [22_000, open(`c${number}`, 'a')],
    ]);
    const since: Entry[] = [
      [104_000, pod('a', 'terminating')],
      [105_000, closed('c9', 'a', close)],
      [106_000, open('c9', 'a')],
    ];
    const { document } = watched([...lost, ...since]);
    expect(document).toMatchObject({ dropped: 1, verdict: 'unknown' });
    expect(document.why.join()).toMatch(/alone would explain 1 of the 1 drops since/);
    expect(watched(since).document.verdict).toBe('pass');
  });

  test.each([
    [close, 'closed-by-peer'],
    [{ how: 'fin' }, 'ended-by-peer'],
    [{ how: 'reset' }, 'reset-on-the-way'],
    [{ how: 'silence' }, 'path-silent'],
  ] as const)(
    'of which only the sockets are seen: %j is inferred to be %s, and blames no pod',
    (ending, cause) => {
      const { document, ledger } = watched(
        [
          [105_000, closed('c0', 'a', ending)],
          [106_000, open('c0', 'a')],
        ],
        { sees: 'sockets' },
      );
      expect(ledger.rows[0]).toMatchObject({ cause, inferred: true, collateral: false });
      expect(document).toMatchObject({ dropped: 1, unattributed: 0, verdict: 'pass' });
    },
  );

  test('lays a drop to its pod, which was going', () => {
    const story: Entry[] = [
      [104_000, pod('a', 'terminating')],
      [105_000, closed('c0', 'a', { how: 'fin' })],
      [106_000, open('c0', 'a')],
      [109_000, pod('a', 'gone')],
    ];
    expect(watched(story).ledger.rows[0]).toMatchObject({
      cause: 'gateway-ended',
      inferred: true,
      collateral: false,
    });
  });

  test('lays a drop of a pod that nobody told to the one that was told to end last before', () => {
    const lost: Entry[] = [
      [105_000, closed('c0', 'a', close)],
      [106_000, open('c0', 'a')],
    ];
    const rename = ([at, event]: Entry): Entry => [
      at,
      'client' in event && 'pod' in event ? { ...event, pod: 'unknown pod' } : event,
    ];
    const going: Entry[] = [
      [103_000, pod('b', 'running')],
      [104_000, pod('b', 'terminating')],
    ];
    const row = watched([...lost.map(rename), ...going]).ledger.rows[0];
    expect(row).toMatchObject({ cause: 'gateway-closed', inferred: true, collateral: false });
    const alone = watched(lost.map(rename)).ledger.rows[0];
    expect(alone).toMatchObject({ cause: 'unattributed', collateral: true });
  });

  test('may call its versions as it likes', () => {
    expect(watched([]).document).toMatchObject({ verdict: 'pass', landedOnOld: 0 });
  });
});
