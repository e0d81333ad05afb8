import { expect, test } from 'vitest';
import type { Timed } from '../../contracts/event.ts';
import { historyAnalysis } from '../history.ts';
import { testCell } from '../test-log.ts';
import { connectionsAnalysis } from './connections.ts';
import { excess, isSkewed, shapeAtEnd } from './shape.ts';

function shape(...events: Timed[]) {
  const header = testCell();
  const connections = connectionsAnalysis.start(header);
  const history = historyAnalysis.start(header);
  for (const event of events) {
    connectionsAnalysis.fold(connections, event);
    historyAnalysis.fold(history, event);
  }
  return shapeAtEnd(historyAnalysis.result(history), connectionsAnalysis.result(connections));
}

const pod = (at: number, name: string, phase: 'running' | 'gone', version = 'v2'): Timed => ({
  at,
  type: 'pod',
  pod: name,
  version,
  node: 'node-1',
  phase,
  ready: phase === 'running',
});
const open = (at: number, client: string, name: string, version = 'v2'): Timed => ({
  at,
  type: 'open',
  client,
  pod: name,
  version,
  attempts: 1,
});

test('the fullest, the mean and the empty of the gateways that are ready at the end', () => {
  expect(
    shape(
      pod(0, 'a', 'running'),
      pod(0, 'b', 'running'),
      pod(0, 'c', 'running'),
      open(1, 'c1', 'a'),
      open(1, 'c2', 'a'),
      open(1, 'c3', 'b'),
    ),
  ).toEqual({ pods: 3, most: 2, mean: 1, empty: 1 });
});

test('gateways that are gone, proxies in the path and the control group do not count', () => {
  const found = shape(
    pod(0, 'old', 'running', 'v1'),
    pod(0, 'new', 'running'),
    pod(0, 'nginx', 'running', ''),
    open(1, 'c1', 'old', 'v1'),
    open(1, 'k1', 'control', 'control'),
    open(2, 'c1', 'new'),
    pod(3, 'old', 'gone', 'v1'),
  );
  expect(found).toEqual({ pods: 1, most: 1, mean: 1, empty: 0 });
});

test('where no gateway is ready there is no shape', () => {
  expect(shape(open(1, 'c1', 'a'))).toBeNull();
});

test('the excess of the fullest is 0 where all are alike, and where nobody is connected', () => {
  expect(excess({ pods: 3, most: 2, mean: 2, empty: 0 })).toBe(0);
  expect(excess({ pods: 3, most: 0, mean: 0, empty: 3 })).toBe(0);
  expect(excess({ pods: 4, most: 100, mean: 25, empty: 3 })).toBe(3);
});

test.each([
  [{ pods: 4, most: 201, mean: 100, empty: 0 }, true],
  [{ pods: 4, most: 200, mean: 100, empty: 0 }, false],
  [{ pods: 4, most: 140, mean: 100, empty: 1 }, true],
  [{ pods: 1, most: 0, mean: 0, empty: 1 }, false],
])('%o is skewed: %s', (found, expected) => {
  expect(isSkewed(found)).toBe(expected);
});
