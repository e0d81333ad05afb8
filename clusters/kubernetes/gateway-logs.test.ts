import { expect, test } from 'vitest';
import { gatewayEvent } from './gateway-logs.ts';

test("a gateway's own word is told with the kubelet's time for it", () => {
  const line = '2026-01-02T03:04:05.123456789Z {"did":"sigterm","why":"close-all","connections":7}';
  expect(gatewayEvent('gateway-v1-x', line, 42)).toEqual({
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
  expect(gatewayEvent('p', '2026-01-02T03:04:05Z {"did":"listening","port":8080}', 0)).toBeUndefined();
  expect(gatewayEvent('p', '2026-01-02T03:04:05Z hello', 0)).toBeUndefined();
  expect(gatewayEvent('p', '2026-01-02T03:04:05Z {broken}', 0)).toBeUndefined();
});
