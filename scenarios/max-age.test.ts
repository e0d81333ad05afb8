import { describe, expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import { pacedDrain } from './paced-drain.ts';
import { rollingUpdate } from './rolling-update.ts';
import { playOnSim } from './test-play.ts';

/** P3 of the public cases (ld-relay#92, vernemq#2175): after a roll connections stay unequal for good. */
const ROLL: AxisTexts = {
  pods: '12',
  nodes: '12',
  clients: '1800',
  backoffModel: 'exponential-full-jitter',
  backoff: '30s',
};

describe('after a rolling update of twelve pods', () => {
  test('connections stay where the roll has left them, which the verdict notes', async () => {
    const { document, criteria } = await playOnSim(rollingUpdate, ROLL);
    const { shape } = document;
    expect(shape).toMatchObject({ pods: 12, mean: 150 });
    expect(shape?.most).toBeGreaterThan(2 * 150);
    expect(document.agedOut).toBe(0);
    expect(document.why.at(-1)).toMatch(
      /^connections lie unevenly at the end: the fullest of 12 pods holds 3/,
    );
    expect(criteria.find(({ name }) => name === 'connections lie evenly')?.outcome).toBe('pass');
  });

  test('a maximum age levels them, and the verdict on the release is what it was', async () => {
    const without = (await playOnSim(rollingUpdate, ROLL)).document;
    const { document, criteria, ledger } = await playOnSim(rollingUpdate, { ...ROLL, maxAge: '10m' });
    const { shape } = document;
    expect(shape?.empty).toBe(0);
    // Twelve draws of a twelfth of 1,800 each: a standard deviation of 12.
    expect(shape?.most).toBeLessThan(150 + 4 * 12);
    expect(document.agedOut).toBeGreaterThanOrEqual(1800);
    expect(document).toMatchObject({
      verdict: without.verdict,
      collateral: 0,
      unattributed: 0,
      stillAway: 0,
    });
    expect(document.droppedTwice / without.droppedTwice).toBeCloseTo(1, 0);
    expect(document.why.join()).not.toContain('unevenly');
    expect(criteria.find(({ name }) => name === 'closed for their age')?.says).toContain('--max-age 10m');
    const aged = ledger.rows.filter(({ cause }) => cause === 'aged-out');
    expect(aged).toHaveLength(document.agedOut);
    expect(
      new Set(
        aged.map(({ showed, collateral, chain }) => `${showed} ${collateral} ${ledger.chains[chain]?.step}`),
      ),
    ).toEqual(new Set(['close 1001 false undefined']));
  });
});

test('as many clients are away as its warning says where a maximum age is short for the back-off', async () => {
  const { document } = await playOnSim(pacedDrain, {
    pods: '3',
    clients: '900',
    backoff: '2m',
    maxAge: '2m',
  });
  expect(document.warnings).toEqual([expect.stringContaining('about 33 %')]);
  const held = (document.shape?.mean ?? 0) * (document.shape?.pods ?? 0);
  expect(1 - held / 900).toBeCloseTo(1 / 3, 1);
});

test('a release that passes without a maximum age passes with one, however often connections age during it', async () => {
  const texts: AxisTexts = { pods: '3', clients: '300', backoff: '10s', drainOver: '4m' };
  const plain = (await playOnSim(pacedDrain, texts)).document;
  const { document } = await playOnSim(pacedDrain, { ...texts, maxAge: '1m' });
  expect(plain.verdict).toBe('pass');
  expect(document).toMatchObject({ verdict: 'pass', droppedTwice: 0, collateral: 0, stillAway: 0 });
  // Who was asked for its age came to v2 by that, and nothing was left to drain.
  expect(document.dropped).toBeLessThan(plain.dropped);
  expect(document.agedOut).toBeGreaterThan(4 * 300);
});
