import { expect, test } from 'vitest';
import type { Timed } from '../contracts/event.ts';
import { analyze } from './analyze.ts';
import { testCell, testLog } from './test-log.ts';

const cell = testCell({ cluster: 'kind', evidence: 'measured' });
const CALM = testLog(cell, 'calm');

/** The verdict on a calm cell in which this happened as well. */
function judged(...more: Timed[]) {
  const events = [...CALM, ...more].sort((left, right) => left.at - right.at);
  const { document } = analyze(cell, events);
  return { verdict: document.verdict, why: document.why.join('\n') };
}
const readiness = (at: number, ready: boolean): Timed => ({
  at,
  type: 'note',
  text: '',
  node: { name: 'worker2', ready },
});
const fault = (at: number, edge: 'begin' | 'end'): Timed => ({
  at,
  type: 'step',
  name: 'a node fails',
  phase: 'release',
  fault: true,
  edge,
});

test('a node that ceases to be ready by itself makes the verdict unknown, and is named', () => {
  expect(judged().verdict).toBe('pass');
  const { verdict, why } = judged(readiness(130_000, false), readiness(140_000, true));
  expect(verdict).toBe('unknown');
  expect(why).toContain('node worker2 ceased to be ready at 2m10s');
});

test('what a step does to a node is what is measured', () => {
  expect(judged(fault(129_000, 'begin'), readiness(130_000, false), fault(150_000, 'end')).verdict).toBe(
    'pass',
  );
});

test('a node that goes for good has a cause of its own', () => {
  const removed: Timed = { at: 140_000, type: 'node', node: 'worker2', change: 'removed' };
  expect(judged(readiness(130_000, false), removed).why).not.toContain('ceased to be ready');
});

test('a node that was switched off is not ready for that reason, whenever the API finds out', () => {
  const off: Timed = { at: 100_000, type: 'node', node: 'worker2', change: 'off' };
  expect(judged(off, readiness(155_000, false)).verdict).toBe('pass');
});
