import type { AnalysedCell } from '../stored/stored-run.ts';
import { count, percent, rate, time } from '../words/words.ts';
import { type ChartSpec, chartWindow, POINTS, type Series, stepBands } from './chart-spec.ts';
import { busiest, timeGrid } from './resample.ts';

/** What all charts of a cell's load have in common. */
function common(cell: AnalysedCell, points: number) {
  const { from, to, zero } = chartWindow(cell);
  const grid = timeGrid(from, to, points);
  return {
    grid,
    frame: {
      kind: 'lines',
      x: grid.map((second) => second - zero),
      xTitle: 'time since the release began',
      bands: stepBands(cell),
      marks: [],
    } satisfies Partial<ChartSpec>,
  };
}

/** Handshakes that clients asked for, and what became of them, second by second. */
export function handshakesChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { grid, frame } = common(cell, points);
  const { load, document } = cell.result;
  const { capacity } = document;
  const series: Series[] = [
    { label: 'offered', role: 'neutral', values: busiest(load.offered, grid) },
    { label: 'served', role: 'reconnects', values: busiest(load.served, grid) },
    { label: 'timed out', role: 'silent', values: busiest(load.timedOut, grid) },
    { label: 'refused', role: 'refused', values: busiest(load.refused, grid) },
  ];
  return {
    ...frame,
    title: 'Handshakes per second',
    summary: `At most ${rate(capacity?.peakOfferedPerSecond ?? 0)} offered and ${rate(capacity?.peakServedPerSecond ?? 0)} served in one second; ${count(capacity?.timedOutAttempts ?? 0)} timed out and ${count(capacity?.refusedAttempts ?? 0)} were refused.`,
    series: series.filter(({ label, values }) => label === 'served' || values.some((value) => value > 0)),
    yTitle: 'handshakes per second',
  };
}

/** Handshakes that wait for their turn, over all pods. */
export function queueChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { grid, frame } = common(cell, points);
  const { load, document } = cell.result;
  const { capacity } = document;
  return {
    ...frame,
    title: 'Handshakes that wait for their turn',
    summary: `At most ${count(capacity?.longestQueue ?? 0)} at once over all pods; the longest wait was ${time(capacity?.longestWaitMillis ?? 0)}.`,
    series: [{ label: 'in the queue', role: 'away', values: busiest(load.queue, grid) }],
    yTitle: 'handshakes',
  };
}

/** How much of its processors the busiest pod uses. */
export function processorsChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { grid, frame } = common(cell, points);
  const { load, document } = cell.result;
  return {
    ...frame,
    title: 'Use of its processors by the busiest pod',
    summary: `At most ${percent(document.capacity?.busiestShare ?? 0)} in a second; at 100 % whatever comes has to wait.`,
    series: [
      {
        label: 'busiest pod',
        role: 'disconnects',
        values: busiest(load.busy, grid).map((share) => Math.round(1000 * share) / 10),
      },
    ],
    yTitle: 'per cent',
  };
}
