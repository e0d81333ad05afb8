import { expect, test } from 'vitest';
import { testCell, testLog } from '../../harness/analyses/test-log.ts';
import type { Timed } from '../../harness/contracts/event.ts';
import { handshakesChart, processorsChart, queueChart } from '../charts/load-charts.ts';
import { reportJson } from '../report-json.ts';
import { type AnalysedCell, isAnalysed, RunReader } from '../stored/stored-run.ts';
import { HOSTILE, testRun } from '../stored/test-run.ts';
import { resultTable } from '../terminal.ts';
import { capacitySection } from './capacity-section.ts';
import { chartShelf } from './parts.ts';

/** A run of one cell whose pod tells of its load as given, 150 s into it. */
function runWith(load: Partial<Extract<Timed, { type: 'load' }>> | undefined) {
  const cell = testCell({ axes: { clients: 20, pods: 1, podCpu: 0.5, handshakeCpu: 20 } });
  const told: Timed[] =
    load === undefined
      ? []
      : [
          {
            ...{
              at: 150_000,
              type: 'load',
              pod: 'gateway-v1-0',
              over: 1000,
              offered: 9,
              served: 4,
              stale: 1,
            },
            ...{ refused: 2, dropped: 0, queue: 5, wait: 300, busy: 0.75, lateProbes: 0 },
            ...load,
          } as Timed,
        ];
  const { run, header } = testRun([]);
  const reader = new RunReader();
  reader.add(header);
  reader.add({ type: 'cell', cell });
  for (const event of [...testLog(cell, 'rolling'), ...told].sort((a, b) => a.at - b.at)) reader.add(event);
  const read = reader.result(run);
  return { run: read, cell: read.cells.find(isAnalysed) as AnalysedCell };
}

test('the section says what came, what became of it and what was limited, with three charts', () => {
  const { cell, run } = runWith({});
  const shelf = chartShelf();
  const text = String(capacitySection(cell, shelf)).replaceAll('\u00a0', ' ');
  for (const expected of [
    '9 handshakes offered',
    '4 served',
    '2 refused',
    '75.0 % of the processors',
    '0.5 processors',
  ])
    expect(text).toContain(expected);
  expect(Object.values(shelf.data).map(({ spec }) => spec.title)).toEqual([
    'Handshakes per second',
    'Handshakes that wait for their turn',
    'Use of its processors by the busiest pod',
  ]);
  expect(resultTable(run)).toContain('9 handshakes offered (at most 9/s)');
});

test('the charts hold the series second by second, and leave out what never happened', () => {
  const { cell } = runWith({});
  const { series } = handshakesChart(cell, 10_000);
  expect(series.map(({ label }) => label)).toEqual(['offered', 'served', 'timed out', 'refused']);
  // Some clients of the made-up log give up.
  expect(series.map(({ values }) => Math.max(...values))).toEqual([9, 4, 1, 2]);
  const none = runWith({ refused: 0 }).cell;
  expect(handshakesChart(none).series.map(({ label }) => label)).not.toContain('refused');
  expect(Math.max(...(queueChart(cell).series[0]?.values ?? []))).toBe(5);
  expect(Math.max(...(processorsChart(cell).series[0]?.values ?? []))).toBe(75);
});

test('a pod’s name cannot become markup', () => {
  expect(String(capacitySection(runWith({ pod: HOSTILE }).cell, chartShelf()))).not.toContain('<img');
});

test('without limits there is nothing', () => {
  expect(capacitySection(runWith(undefined).cell, chartShelf())).toBe(false);
});

test('report.json holds the points of the charts', () => {
  const [cell] = reportJson(runWith({}).run).cells as unknown as { load: Record<string, number[]> }[];
  expect(Object.keys(cell?.load ?? {})).toEqual([
    ...['secondsSinceRelease', 'offered', 'served', 'timed out', 'refused', 'in the queue', 'busiest pod'],
  ]);
  const [none] = reportJson(runWith(undefined).run).cells;
  expect(none).not.toHaveProperty('load');
});
