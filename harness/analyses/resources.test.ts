import { expect, test } from 'vitest';
import type { Timed } from '../contracts/event.ts';
import { historyAnalysis } from './history.ts';
import { extraPods } from './resources.ts';
import { testCell } from './test-log.ts';

function extra(events: readonly Timed[]): number {
  const state = historyAnalysis.start(testCell());
  for (const event of [...events].sort((a, b) => a.at - b.at)) historyAnalysis.fold(state, event);
  return extraPods(historyAnalysis.result(state));
}

const pod = (at: number, name: string, phase: 'pending' | 'running' | 'terminating' | 'gone'): Timed => ({
  at,
  type: 'pod',
  pod: name,
  version: 'v1',
  node: 'node-1',
  phase,
  ready: phase === 'running',
});
const release: Timed = { at: 100, type: 'step', name: 'go', edge: 'begin', phase: 'release' };

test('pods that come before others have gone are extra, terminating ones included', () => {
  const steady = [pod(0, 'a', 'pending'), pod(5, 'a', 'running'), pod(0, 'b', 'pending')];
  const surge = [pod(110, 'c', 'pending'), pod(120, 'a', 'terminating'), pod(130, 'd', 'pending')];
  expect(extra([...steady, release, ...surge, pod(150, 'a', 'gone'), pod(160, 'b', 'gone')])).toBe(2);
});

test('a pod that is replaced only once it is gone needs no room', () => {
  expect(extra([pod(0, 'a', 'running'), release, pod(150, 'a', 'gone'), pod(150, 'b', 'pending')])).toBe(0);
});

test('a pod that was gone before the release counts for nothing', () => {
  expect(
    extra([
      pod(0, 'a', 'running'),
      pod(0, 'b', 'running'),
      pod(50, 'b', 'gone'),
      release,
      pod(150, 'c', 'pending'),
    ]),
  ).toBe(1);
});

test('without a release nothing is extra', () => {
  expect(extra([pod(0, 'a', 'running'), pod(10, 'b', 'running')])).toBe(0);
});
