import { expect, test } from 'vitest';
import { testCell, testLog } from '../analyses/test-log.ts';
import { wrongEvent } from './check-event.ts';

const stored = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('whatever the harness writes is an event', () => {
  const cell = testCell({ axes: { clients: 20, pods: 2 } });
  for (const event of [{ type: 'cell', cell }, ...testLog(cell, 'fail-open'), ...testLog(cell, 'rolling')])
    expect(wrongEvent(stored(event))).toBeUndefined();
  expect(wrongEvent({ type: 'end', outcome: 'finished' })).toBeUndefined();
});

test.each([
  [null, 'is null, not an event'],
  [{ type: 'toString' }, 'type is "toString", which is no event of this program'],
  [{ type: 'note', text: 'x' }, 'at is missing (allowed: number)'],
  [{ type: 'note', at: 1, text: 2 }, 'text is 2 (allowed: string)'],
  [
    { type: 'end', at: 1, outcome: 'well' },
    'outcome is "well" (allowed: finished, interrupted, broken, failed)',
  ],
  [{ type: 'run', at: 1 }, 'at is 1, but run belongs to no cell'],
  [{ type: 'endpoints', at: 1, service: 's', endpoints: [null] }, 'endpoints holds null'],
  [
    { type: 'closed', at: 1, client: 'c1', pod: 'p', version: 'v1', lastAnswer: 1, ending: { how: ['x'] } },
    'ending.how is ["x"] (allowed: close, fin, reset, refused, silence)',
  ],
])('a line that is none says why: %j', (line, why) => {
  expect(wrongEvent(stored(line))).toBe(why);
});

test('an axis that came later than a log is no mistake, one that no log can lack is', () => {
  const cell = testCell();
  const { keepBlue: _, ...older } = cell.axes;
  expect(wrongEvent(stored({ type: 'cell', cell: { ...cell, axes: older } }))).toBeUndefined();
  const { clients: __, ...without } = cell.axes;
  expect(wrongEvent(stored({ type: 'cell', cell: { ...cell, axes: without } }))).toBe(
    'cell.axes.clients is missing (allowed: number)',
  );
});
