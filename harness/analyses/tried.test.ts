import { describe, expect, test } from 'vitest';
import type { CellHeader, Timed, TimedEvent } from '../contracts/event.ts';
import { analyze } from './analyze.ts';
import { testCell } from './test-log.ts';

const release = (more: Partial<CellHeader> = {}) =>
  testCell({ kind: 'release', axes: { clients: 2 }, ...more });
const open = (at: number, client: string, pod: string, version: string): Timed => ({
  ...{ at, type: 'open', client, pod, version, node: 'n1', attempts: 1 },
});
const pod = (at: number, name: string, version: string): Timed => ({
  ...{ at, type: 'pod', pod: name, version, node: 'n1', phase: 'running', ready: true },
});
const begin = (at: number, name: string, phase: 'release' | 'rollback', marks = {}): Timed => ({
  at,
  ...({ type: 'step', name, edge: 'begin', phase, ...marks } satisfies TimedEvent),
});
const calm = [pod(0, 'a', 'v1'), open(100, 'c0', 'a', 'v1'), open(100, 'c1', 'a', 'v1')];
const judged = (cell: CellHeader, ...events: Timed[]) =>
  analyze(cell, [...calm, ...events, { at: 9000, type: 'end', outcome: 'finished' }]).document;

describe('a cell in which nothing of what was promised was tried is unknown', () => {
  test('where no step of the release was played', () => {
    for (const kind of ['release', 'experiment'] as const)
      expect(judged(release({ kind }))).toMatchObject({
        verdict: 'unknown',
        why: ['what was promised was not tried: no step of the release was played'],
      });
  });

  test('where a release ran to its end and nobody ever came to v2; one who did is enough', () => {
    const flip = begin(1000, 'switch', 'release', { cutOver: true });
    const { verdict, why } = judged(release(), flip);
    expect(verdict).toBe('unknown');
    expect(why).toEqual([expect.stringContaining('none of 2 clients ever came to v2')]);
    expect(judged(release(), flip, pod(1500, 'b', 'v2'), open(2000, 'c0', 'b', 'v2')).verdict).toBe('pass');
    const taken: Timed = { at: 2000, type: 'rehomed', client: 'c0', pod: 'a', version: 'v2' };
    expect(judged(release(), flip, taken).verdict).toBe('pass');
  });

  test('where an experiment only waited', () => {
    const watch = begin(1000, 'watch', 'release');
    expect(judged(release({ kind: 'experiment' }), watch).why).toEqual([
      'what was promised was not tried: no step of the release changed anything',
    ]);
    const change = begin(1000, 'a node goes', 'release', { fault: true });
    expect(judged(release({ kind: 'experiment' }), change).verdict).toBe('pass');
  });

  test('but a release that was rolled back is judged from wherever it was', () => {
    const steps = [
      begin(1000, 'v2 beside v1', 'release'),
      begin(2000, 'back', 'rollback', { cutOver: true }),
    ];
    expect(judged(release(), ...steps).verdict).toBe('pass');
  });
});

describe('a gateway that says of itself what fits nothing known makes its cell unknown', () => {
  const flip = begin(1000, 'switch', 'release', { cutOver: true });
  const says = { v1: '2.4.0', v2: '2.5.0' };
  const came = [flip, pod(1500, 'b', 'v2'), open(2000, 'c0', 'b', 'v2')];

  test('a version that is neither', () => {
    const { verdict, why } = judged(release({ says }), ...came, open(3000, 'c1', 'b', '9.2.4.0'));
    expect(verdict).toBe('unknown');
    expect(why).toEqual([
      'the gateway said on 1 connection that its version is "9.2.4.0", which is neither "2.4.0" (v1) nor "2.5.0" (v2)',
    ]);
    expect(judged(release(), ...came, open(3000, 'c1', 'b', 'v3')).why[0]).toContain('neither "v1" (v1) nor');
  });

  test('a pod that the cluster does not know, but not one that it has not told of yet', () => {
    expect(judged(release(), ...came, open(3000, 'c1', 'pod', 'v2')).why).toEqual([
      'the gateway said on 1 connection that its pod is "pod", which the cluster does not know',
    ]);
    expect(judged(release(), ...came, open(3000, 'c1', 'late', 'v2'), pod(3100, 'late', 'v2')).verdict).toBe(
      'pass',
    );
    expect(judged(release(), ...came, open(3000, 'c1', 'unknown v2 pod', 'v2')).verdict).toBe('pass');
  });

  test('the other version than its pod is of', () => {
    expect(judged(release({ says }), ...came, open(3000, 'c1', 'a', 'v2')).why).toEqual([
      'pod "a" said on 1 connection that its version is "2.5.0" (v2), and is of v1 in the cluster',
    ]);
  });
});

test('what arrives within the millisecond of the cut-over was under way before, and is no landing after it', () => {
  const cell = release();
  const taken = (at: number, version: string): Timed => ({
    ...{ at, type: 'rehomed', client: 'c0', pod: 'a', version },
  });
  const rolledBack = (at: number) =>
    judged(
      cell,
      begin(1000, 'workers of v2', 'release', { cutOver: true }),
      begin(2000, 'workers of v1', 'rollback', { cutOver: true }),
      taken(at, 'v2'),
      taken(3000, 'v1'),
    );
  expect(rolledBack(2000)).toMatchObject({ landedOnOld: 0, verdict: 'pass' });
  expect(rolledBack(2001)).toMatchObject({ landedOnOld: 1, verdict: 'fail' });
});

test('a cell says that the door was assumed to hold, where none gives a capacity, and how long a pod was taken to start', () => {
  expect(judged(release()).assumes).toEqual([
    expect.stringMatching(/no capacity was given.*assumed, not shown/),
    expect.stringMatching(/a new pod needs 5s to 15s .*--pod-start.*not shown/),
  ]);
});
