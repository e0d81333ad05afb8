import { expect, test } from 'vitest';
import type { Timed } from '../contracts/event.ts';
import { ReleaseLength } from './release-length.ts';

const step = (
  at: number,
  edge: 'begin' | 'end',
  phase: 'prepare' | 'release' | 'settle' = 'release',
): Timed => ({ type: 'step', at, name: `${phase} step`, edge, phase });
const end: Timed = { type: 'end', at: 900, outcome: 'finished' };

function lengthOf(events: readonly Timed[]) {
  const release = new ReleaseLength();
  for (const event of events) release.observe(event);
  return release.length;
}

test('a release lasts from the begin of its first step to the end of its last', () => {
  expect(
    lengthOf([
      step(0, 'begin', 'prepare'),
      step(10, 'end', 'prepare'),
      step(100, 'begin'),
      step(130, 'end'),
      step(130, 'begin'),
      step(400, 'end'),
      step(400, 'begin', 'settle'),
      step(800, 'end', 'settle'),
      end,
    ]),
  ).toBe(300);
});

test('a release that did not finish, or has no step, has no length', () => {
  expect(lengthOf([step(100, 'begin'), step(130, 'end')])).toBeUndefined();
  expect(
    lengthOf([step(100, 'begin'), step(130, 'end'), { ...end, outcome: 'interrupted' }]),
  ).toBeUndefined();
  expect(lengthOf([step(0, 'begin', 'prepare'), step(10, 'end', 'prepare'), end])).toBeUndefined();
});
