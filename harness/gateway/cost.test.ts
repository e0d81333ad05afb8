import { expect, test } from 'vitest';
import { calmUse, gatewayCost, workTime } from './cost.ts';

const bare = gatewayCost({ handshakeCpu: 0, messageCpu: 0 });

test('an application adds to handshakes and messages and to nothing else', () => {
  const cost = gatewayCost({ handshakeCpu: 5, messageCpu: 1 });
  expect(cost).toEqual({ ...bare, handshake: bare.handshake + 5, message: bare.message + 1 });
});

test('work costs what its parts cost', () => {
  expect(workTime({ handshakes: 2, messages: 30, endings: 1 }, bare)).toBeCloseTo(
    2 * bare.handshake + 30 * bare.message + bare.ending,
  );
});

test('calm use grows with the connections and with how often they ping', () => {
  const idle = calmUse(0, 30_000, bare);
  const use = (connections: number, heartbeat: number) => calmUse(connections, heartbeat, bare) - idle;
  expect(use(2000, 30_000)).toBeCloseTo(2 * use(1000, 30_000));
  expect(use(1000, 15_000)).toBeGreaterThan(1.9 * use(1000, 30_000));
});
