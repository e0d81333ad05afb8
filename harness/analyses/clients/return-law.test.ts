import { describe, expect, test } from 'vitest';
import type { Timed, TimedEvent } from '../../contracts/event.ts';
import { analyze } from '../analyze.ts';
import { testCell } from '../test-log.ts';
import { type Leaving, peakOfReturns } from './return-law.ts';

describe('the peak of returns', () => {
  const group: Leaving = { begin: 0, over: 0, clients: 600, spread: 5000 };

  test('is N / max(D, T), whichever of the two is longer', () => {
    expect(peakOfReturns([group])).toBeCloseTo(120, 9);
    expect(peakOfReturns([{ ...group, over: 60_000 }])).toBeCloseTo(10, 9);
    expect(peakOfReturns([{ ...group, over: 60_000, spread: 300_000 }])).toBeCloseTo(2, 9);
    expect(peakOfReturns([])).toBe(0);
  });

  test('adds up groups that come back at the same time, and no others', () => {
    expect(peakOfReturns([group, { ...group, begin: 4999 }])).toBeCloseTo(240, 9);
    expect(peakOfReturns([group, { ...group, begin: 5000 }])).toBeCloseTo(120, 9);
    // Drains of 30 s, 20 s apart: both have reached their plateau in between.
    const drain = { ...group, over: 30_000, spread: 1000 };
    expect(peakOfReturns([drain, { ...drain, begin: 20_000 }])).toBeCloseTo(40, 9);
    // One is still rising when the other begins to fall: half of a plateau is missing.
    expect(
      peakOfReturns([
        { ...group, over: 10_000, spread: 10_000 },
        { ...group, over: 10_000, spread: 10_000, begin: 5000 },
      ]),
    ).toBeCloseTo(90, 9);
  });
});

describe('the law of what is played', () => {
  const CLIENTS = 60;
  /** Everybody is connected to pod a, which then says and does this; the clients' connections end at these times. */
  const peak = (
    said: readonly [number, 'drain' | 'exit', string][],
    ends: (client: number) => { at: number; how?: 'silence' | 'close'; replaced?: true },
    axes: Parameters<typeof testCell>[0] = {},
  ) => {
    const events: [number, TimedEvent][] = said.map(([at, did, why]) => [
      at,
      { type: 'gateway', pod: 'a', did, why },
    ]);
    for (let number = 0; number < CLIENTS; number++) {
      const client = `c${number}`;
      const { at, how = 'close', replaced } = ends(number);
      events.push([0, { type: 'open', client, pod: 'a', version: 'v1', attempts: 1 }]);
      events.push([
        at,
        {
          type: 'closed',
          client,
          pod: 'a',
          version: 'v1',
          ending: how === 'close' ? { how, code: 1012, reason: '' } : { how },
          lastAnswer: at,
          ...(replaced === undefined ? {} : { replaced }),
        },
      ]);
    }
    events.push([900_000, { type: 'end', outcome: 'finished' }]);
    const log = events.map(([at, event]): Timed => ({ at, ...event })).sort((a, b) => a.at - b.at);
    return analyze(testCell({ ...axes, axes: { clients: CLIENTS, ...axes.axes } }), log).document
      .theoreticalPeakPerSecond;
  };
  const fixed = { axes: { backoffModel: 'fixed', backoff: 10_000 } } as const;

  test('of a gateway that ends with everybody is N over the back-off, N in one second where that is fixed', () => {
    const exits = [[100_000, 'exit', 'abrupt']] as [number, 'exit', string][];
    expect(peak(exits, () => ({ at: 100_001 }), { axes: { backoff: 30_000 } })).toBeCloseTo(2, 9);
    expect(peak(exits, () => ({ at: 100_001 }), fixed)).toBe(CLIENTS);
    // Its own word may be read after its clients' sockets, on a measured cluster.
    expect(peak(exits, () => ({ at: 98_000 }), fixed)).toBe(CLIENTS);
  });

  test('of a paced drain is N over its length, which what the gateway does next cuts short', () => {
    const evenly = (client: number) => ({ at: 100_000 + 1000 * (client + 1) });
    expect(peak([[100_000, 'drain', 'close over 60000 ms']], evenly, fixed)).toBeCloseTo(1, 9);
    const killed = (client: number) => ({ at: Math.min(evenly(client).at, 130_001) });
    const words: [number, 'drain' | 'exit', string][] = [
      [100_000, 'drain', 'close over 60000 ms'],
      [130_000, 'exit', 'abrupt'],
    ];
    expect(peak(words, killed, fixed)).toBeGreaterThanOrEqual(CLIENTS / 2);
    expect(peak(words, killed, fixed)).toBeLessThan(CLIENTS / 2 + 2);
  });

  test('of make before break knows no back-off', () => {
    const drain: [number, 'drain', string][] = [[100_000, 'drain', 'message over 60000 ms']];
    const replaced = (client: number) => ({ at: 100_000 + 1000 * (client + 1), replaced: true as const });
    expect(peak(drain, replaced, { axes: { backoff: 300_000 } })).toBeCloseTo(1, 9);
  });

  test('is told for none whose loss no gateway spoke of, nor where nobody was lost', () => {
    expect(peak([], () => ({ at: 100_000 }))).toBeNull();
    expect(peak([[50_000, 'exit', 'abrupt']], () => ({ at: 100_000, how: 'silence' }))).toBeNull();
    const half = (client: number) => ({ at: 100_000, how: client % 2 === 0 ? 'close' : 'silence' }) as const;
    expect(peak([[100_000, 'exit', 'abrupt']], half)).toBeNull();
    expect(analyze(testCell(), []).document.theoreticalPeakPerSecond).toBeNull();
  });
});
