import type { Gauge } from '../../harness/analyses/clients/connections.ts';

/** `points` whole seconds from `from` to `to`, evenly spread, each once. */
export function timeGrid(from: number, to: number, points: number): number[] {
  const steps = Math.min(points - 1, to - from);
  if (steps <= 0) return [from];
  return Array.from({ length: steps + 1 }, (_, index) => from + Math.round((index * (to - from)) / steps));
}

/** The gauge's value at each second of a rising grid: the last one set by then, 0 before the first. */
export function gaugeAt({ seconds, values }: Gauge, grid: readonly number[]): number[] {
  let next = 0;
  return grid.map((second) => {
    while (next < seconds.length && (seconds[next] as number) <= second) next++;
    return values[next - 1] ?? 0;
  });
}

/** The busiest second between each second of the grid and the next, so that thinning out never hides a peak. */
export function busiest(bins: readonly number[], grid: readonly number[]): number[] {
  return grid.map((second, index) => {
    const end = grid[index + 1] ?? second + 1;
    let most = 0;
    for (let bin = second; bin < end; bin++) most = Math.max(most, bins[bin] ?? 0);
    return most;
  });
}
