import { expect, test } from 'vitest';
import type { Event, Timed, TimedEvent } from '../contracts/event.ts';
import { VirtualClock } from '../time/virtual-clock.ts';
import { Carry, rebased } from './carry.ts';
import { CellLog } from './cell-log.ts';

const open = (client: string, attempts = 3): TimedEvent => ({
  type: 'open',
  client,
  pod: 'a',
  version: 'v1',
  attempts,
});
const closed = (client: string, more: object = {}): TimedEvent => ({
  ...{ type: 'closed', client, pod: 'a', version: 'v1', ending: { how: 'fin' }, lastAnswer: 0 },
  ...more,
});
const pod = (name: string, phase: 'running' | 'gone'): TimedEvent => ({
  ...{ type: 'pod', pod: name, version: 'v1', node: 'n', phase, ready: true },
});

test.each<[string, TimedEvent[], string[]]>([
  ['who is connected', [open('c0'), open('c1'), closed('c1')], ['open c0']],
  ['who has come back', [open('c0'), closed('c0'), open('c0')], ['open c0']],
  ['who replaced its connection', [open('c0'), closed('c0', { replaced: true })], ['open c0']],
  [
    'whom another gateway has taken over',
    [open('c0'), { type: 'rehomed', client: 'c0', pod: 'b', version: 'v2' }],
    ['open c0 on b'],
  ],
  ['which pods there are', [pod('a', 'running'), pod('b', 'running'), pod('a', 'gone')], ['pod b']],
  [
    'which nodes',
    [
      { type: 'node', node: 'n', change: 'added' },
      { type: 'node', node: 'n', change: 'removed' },
    ],
    [],
  ],
  [
    'nothing of what only happened',
    [
      { type: 'note', text: 'x' },
      { type: 'harness', lag: 1, drift: 0 },
    ],
    [],
  ],
])('what stands at a moment is %s', (_, events, expected) => {
  const carry = new Carry();
  for (const event of events) carry.observe({ at: 5, ...event });
  const told = carry.snapshot(9).map((event) => {
    expect(event.at).toBe(9);
    if (event.type === 'open') {
      expect(event.attempts).toBe(1);
      return `open ${event.client}${event.pod === 'a' ? '' : ` on ${event.pod}`}`;
    }
    return event.type === 'pod' ? `pod ${event.pod}` : event.type;
  });
  expect(told).toEqual(expected);
});

test('every time in an event counts from the begin of its cell', () => {
  expect(rebased({ at: 70, ...closed('c0', { lastAnswer: 40 }) } as Timed, 50)).toMatchObject({
    at: 20,
    lastAnswer: -10,
  });
  expect(rebased({ at: 70, type: 'hop', hop: 'x', did: 'y', since: 60 }, 50)).toMatchObject({ since: 10 });
});

test('what happens between two cells stands at the begin of the second, after what was so', async () => {
  const clock = new VirtualClock();
  const log: Event[] = [];
  const cells = new CellLog(clock, (event) => log.push(event));
  const header = { id: 'x' } as never;
  const tell = (event: TimedEvent) => cells.record({ at: clock.now(), ...event });
  await clock.run(async () => {
    cells.begin(header);
    tell(open('c0'));
    tell(open('c1'));
    await clock.sleep(1000);
    cells.end('finished');
    await clock.sleep(1000);
    tell(closed('c1'));
    await clock.sleep(1000);
    cells.begin(header);
    tell(open('c1'));
    cells.end('failed', 'why');
    // Hours without a release: only what is so since is kept.
    for (let hour = 0; hour < 3000; hour++) {
      tell(hour % 2 === 0 ? closed('c0') : open('c0'));
      await clock.sleep(60_000);
    }
    cells.begin(header);
  });
  const brief = log.map((event) => [
    event.type,
    ...('at' in event ? [event.at] : []),
    'client' in event ? event.client : '',
  ]);
  const third = brief.findLastIndex(([type]) => type === 'cell');
  expect(brief.slice(0, 11)).toEqual([
    ['cell', ''],
    ['open', 0, 'c0'],
    ['open', 0, 'c1'],
    ['end', 1000, ''],
    ['cell', ''],
    ['open', 0, 'c0'],
    ['open', 0, 'c1'],
    ['closed', 1000, 'c1'],
    ['open', 2000, 'c1'],
    ['end', 2000, ''],
    ['cell', ''],
  ]);
  expect(third).toBe(10);
  const last = brief.slice(third + 1);
  expect(last.length).toBeLessThan(1100);
  expect(Math.min(...last.map(([, at]) => Number(at)))).toBeGreaterThanOrEqual(0);
});
