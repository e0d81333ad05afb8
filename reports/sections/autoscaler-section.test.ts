import { expect, test } from 'vitest';
import { testCell, testLog } from '../../harness/analyses/test-log.ts';
import type { Timed } from '../../harness/contracts/event.ts';
import { replicasChart } from '../charts/replicas-chart.ts';
import { type AnalysedCell, isAnalysed, RunReader } from '../stored/stored-run.ts';
import { HOSTILE, testRun } from '../stored/test-run.ts';
import { autoscalerSection } from './autoscaler-section.ts';
import { chartShelf } from './parts.ts';

/** A cell whose autoscaler decided as given, seconds into it. */
function cellWith(decisions: readonly (readonly [second: number, desired: number, why: string])[]) {
  const cell = testCell({ axes: { clients: 20 } });
  const events: Timed[] = [...testLog(cell, 'rolling')];
  let current = 4;
  for (const [second, desired, why] of decisions) {
    const at = second * 1000;
    events.push(
      { at, type: 'autoscaler', target: 'gateway-v1', current, desired, why },
      { at, type: 'replicas', owner: 'gateway-v1', desired, ready: current },
    );
    current = desired;
  }
  const { run, header } = testRun([]);
  const reader = new RunReader();
  reader.add(header);
  reader.add({ type: 'cell', cell });
  for (const event of events.sort((a, b) => a.at - b.at)) reader.add(event);
  return reader.result(run).cells.find(isAnalysed) as AnalysedCell;
}

test('every decision stands there with its reason, and the chart tells the extremes', () => {
  const cell = cellWith([
    [1, 4, 'cpu 52 % asks for 4'],
    [100, 6, 'cpu 90 % asks for 6'],
    [200, 2, HOSTILE],
  ]);
  const text = String(autoscalerSection(cell, chartShelf()));
  for (const expected of [
    '4 → 6',
    '6 → 2',
    'cpu 90 % asks for 6'.replace(/(\d) %/, '$1\u00a0%'),
    '2 changes',
  ])
    expect(text).toContain(expected);
  expect(text).not.toContain(HOSTILE);
  const { summary, series } = replicasChart(cell);
  expect(summary).toContain('at most 6 and at least 2, at the end 2');
  expect(series.map(({ label }) => label)).toEqual(['gateway-v1: wanted', 'gateway-v1: ready']);
});

test('where there are many, decisions that changed nothing are left out, and it says so', () => {
  const waverings = Array.from(
    { length: 50 },
    (_, index) => [index + 1, 4, `asks for ${index % 2}`] as const,
  );
  const text = String(autoscalerSection(cellWith([...waverings, [60, 5, 'up']]), chartShelf()));
  expect(text.match(/<tr>/g)).toHaveLength(2);
  expect(text).toContain('decisions that changed nothing are left out');
});

test('without an autoscaler there is nothing', () => {
  expect(autoscalerSection(cellWith([]), chartShelf())).toBe(false);
});
