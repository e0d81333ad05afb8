import { expect, test } from 'vitest';
import { logEvent } from './gateway-logs.ts';

test("a gateway's own word is told with the kubelet's time for it", () => {
  const line = '2026-01-02T03:04:05.123456789Z {"did":"sigterm","why":"close-all","connections":7}';
  expect(logEvent('gateway-v1-x', line, 42)).toEqual({
    at: 42,
    apiTime: '2026-01-02T03:04:05.123456789Z',
    type: 'gateway',
    pod: 'gateway-v1-x',
    did: 'sigterm',
    why: 'close-all',
    connections: 7,
  });
});

test('other output of a pod is no event', () => {
  expect(logEvent('p', '2026-01-02T03:04:05Z {"did":"listening","port":8080}', 0)).toBeUndefined();
  expect(logEvent('p', '2026-01-02T03:04:05Z hello', 0)).toBeUndefined();
  expect(logEvent('p', '2026-01-02T03:04:05Z {broken}', 0)).toBeUndefined();
});

test('a connection holder is a hop, and what it does to its clients is told of the hop', () => {
  const line = '2026-01-02T03:04:05Z {"did":"sigterm","why":"close-all","connections":7}';
  expect(logEvent('holder-x', line, 42, true)).toMatchObject({
    type: 'hop',
    hop: 'holder-x',
    connections: 7,
  });
});
