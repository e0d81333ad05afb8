import { expect, test } from 'vitest';
import { calmUse, gatewayCost } from '../../../harness/gateway/cost.ts';
import { ProcessorTime } from './processor-time.ts';

const cost = gatewayCost({ handshakeCpu: 5, messageCpu: 1 });

test('a gateway whose clients only ping uses what calm use says, in millicores', () => {
  const time = new ProcessorTime(cost, 0);
  for (let client = 0; client < 100; client++) time.opened(0);
  const begun = time.until(0);
  for (let ping = 0; ping < 100; ping++) time.heard();
  expect((time.until(30_000) - begun) / 30).toBeCloseTo(calmUse(100, 30_000, cost));
});

test('handshakes, endings and the start cost once, connections as long as they last', () => {
  const time = new ProcessorTime(cost, 1000);
  expect(time.until(1000)).toBe(cost.boot);
  time.opened(1000);
  time.ended(11_000);
  expect(time.connections).toBe(0);
  const used = cost.boot + cost.handshake + cost.ending + 10 * cost.connection;
  expect(time.until(11_000)).toBeCloseTo(used + 10 * cost.idle);
  expect(time.until(21_000)).toBeCloseTo(used + 20 * cost.idle);
});
