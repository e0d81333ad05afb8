import type { AnalysedCell } from '../stored/stored-run.ts';
import { listed } from '../words/words.ts';
import { type ChartSpec, chartWindow, POINTS, type Series, stepBands } from './chart-spec.ts';
import { gaugeAt, timeGrid } from './resample.ts';

/** What the autoscaler scaled, each once. */
const scaledTargets = ({ result }: AnalysedCell): string[] => [
  ...new Set(result.history.autoscaler.map(({ target }) => target)),
];

/** Replicas that the autoscaler wanted, and those that were ready. */
export function replicasChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { from, to, zero } = chartWindow(cell);
  const grid = timeGrid(from, to, points);
  const told = scaledTargets(cell).map((target) => {
    const events = cell.result.history.replicas.filter(({ owner }) => owner === target);
    const seconds = events.map(({ at }) => Math.floor(at / 1000));
    const gauge = (values: number[]) => gaugeAt({ seconds, values }, grid);
    const wanted = gauge(events.map(({ desired }) => desired));
    const series: Series[] = [
      { label: `${target}: wanted`, role: 'other', values: wanted },
      { label: `${target}: ready`, role: 'other', values: gauge(events.map(({ ready }) => ready)) },
    ];
    return {
      series,
      says: `${target} from ${wanted[0] ?? 0} to at most ${Math.max(...wanted)} and at least ${Math.min(...wanted)}, at the end ${wanted.at(-1) ?? 0}`,
    };
  });
  return {
    kind: 'lines',
    title: 'Replicas wanted and ready',
    summary: `Wanted of ${listed(told.map(({ says }) => says))}.`,
    x: grid.map((second) => second - zero),
    series: told.flatMap(({ series }) => series),
    xTitle: 'time since the release began',
    yTitle: 'replicas',
    bands: stepBands(cell),
    marks: [],
  };
}
