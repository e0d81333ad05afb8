import type { Gauge } from '../../harness/analyses/clients/connections.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { count, listed, percent, plural, rate, time } from '../words/words.ts';
import { type ChartSpec, chartWindow, POINTS, type Role, type Series, stepBands } from './chart-spec.ts';
import { busiest, gaugeAt, timeGrid } from './resample.ts';

const SINCE_RELEASE = 'time since the release began';

const roleOf = (version: string): Role => (version === 'v1' || version === 'v2' ? version : 'other');

/** Connections by version with the clients that are away on top: always all clients. */
export function connectionsChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { from, to, zero } = chartWindow(cell);
  const { byVersion, away, mostAway } = cell.result.connections;
  const grid = timeGrid(from, to, points);
  const series: Series[] = Object.entries(byVersion).map(([version, gauge]) => ({
    label: `on ${version}`,
    role: roleOf(version),
    values: gaugeAt(gauge, grid),
  }));
  series.push({ label: 'away', role: 'away', values: gaugeAt(away, grid) });
  const last = (label: string) => series.find((one) => one.label === label)?.values.at(-1) ?? 0;
  const ends = series
    .filter(({ label }) => last(label) > 0)
    .map(({ label }) => `${count(last(label))} ${label}`);
  return {
    kind: 'stacked',
    title: 'Connections over time by version',
    summary: `At most ${plural(mostAway, 'client')} away at once; at the end ${listed(ends) || 'nobody connected'}.`,
    x: grid.map((second) => second - zero),
    series,
    xTitle: SINCE_RELEASE,
    yTitle: 'clients',
    bands: stepBands(cell),
    marks: [],
  };
}

const pointsNote = (grid: readonly number[]) => {
  const per = grid.length > 1 ? (grid[1] as number) - (grid[0] as number) : 1;
  return per > 1 ? ` Each point is the busiest second of about ${per}.` : '';
};

/** Disconnects per second, by when the clients noticed. */
export function disconnectsChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { from, to, zero } = chartWindow(cell);
  const { rates, document } = cell.result;
  const grid = timeGrid(from, to, points);
  const at = rates.mostDroppedAt;
  return {
    kind: 'lines',
    title: 'Disconnects per second',
    summary:
      at === null
        ? 'No client was disconnected.'
        : `At most ${plural(rates.mostDroppedIn10Seconds, 'client')} disconnected within ten seconds (${percent(document.lossIn10SecondsShare)}), ${formatDuration(at - zero * 1000)} after the release began.${pointsNote(grid)}`,
    x: grid.map((second) => second - zero),
    series: [{ label: 'disconnects', role: 'disconnects', values: busiest(rates.disconnects, grid) }],
    xTitle: SINCE_RELEASE,
    yTitle: 'disconnects per second',
    bands: stepBands(cell),
    marks: [],
  };
}

/** Reconnects and refused attempts per second, under the storm that theory expects. */
export function reconnectsChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { from, to, zero } = chartWindow(cell);
  const { rates } = cell.result;
  const { theoreticalPeakPerSecond: theory } = rates;
  const grid = timeGrid(from, to, points);
  const series: Series[] = [
    { label: 'reconnects', role: 'reconnects', values: busiest(rates.reconnects, grid) },
    { label: 'refused attempts', role: 'refused', values: busiest(rates.refused, grid) },
  ];
  return {
    kind: 'lines',
    title: 'Reconnects per second',
    summary: `Peak ${rate(rates.peakReconnectsPerSecond)} reconnects in one second, ${rate(rates.peakReconnectsPer10Seconds)} a second over ten${theory === null ? '' : `; in theory ${rate(theory)} a second`}.${pointsNote(grid)}`,
    x: grid.map((second) => second - zero),
    series: series.filter(({ role, values }) => role !== 'refused' || values.some((value) => value > 0)),
    xTitle: SINCE_RELEASE,
    yTitle: 'reconnects per second',
    bands: stepBands(cell),
    marks: theory === null ? [] : [{ y: theory, label: `theory ${rate(theory)}/s` }],
  };
}

/** How long clients were away, as a histogram over disconnects. */
export function timeAwayChart(cell: AnalysedCell, bars = 24): ChartSpec {
  const { rows } = cell.result.ledger;
  const { timeAway, stillAway } = cell.result.document;
  const most = timeAway?.max ?? 0;
  const width = niceStep(most / bars);
  const bins = new Array<number>(Math.max(1, Math.floor(most / width) + 1)).fill(0);
  for (const { away } of rows) (bins[Math.floor(away / width)] as number)++;
  return {
    kind: 'bars',
    title: 'Time away per disconnect',
    summary:
      timeAway === null
        ? 'No client was disconnected.'
        : `Half of the disconnects lasted up to ${time(timeAway.p50)}, 95 % up to ${time(timeAway.p95)}, 99 % up to ${time(timeAway.p99)}, the longest ${time(timeAway.max)}.${stillAway > 0 ? ` ${plural(stillAway, 'client')} had not come back at the end and count with the time until then: these are lower bounds.` : ''}`,
    x: bins.map((_, index) => formatDuration(index * width)),
    series: [{ label: 'disconnects', role: 'neutral', values: bins }],
    xTitle: `time away, in steps of ${formatDuration(width)}`,
    yTitle: 'disconnects',
    bands: [],
    marks: [],
  };
}

/** 1, 2, 5, 10, 15, 30 seconds or minutes: a width that people count in. */
function niceStep(least: number): number {
  const steps = [
    100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
  ];
  return steps.find((step) => step >= least) ?? 3_600_000;
}

/** Connections by node, or by pod where there are few: where the clients are. */
export function placesChart(cell: AnalysedCell, points = POINTS): ChartSpec {
  const { from, to, zero } = chartWindow(cell);
  const { byPod, byNode } = cell.result.connections;
  const byPods = Object.keys(byPod).length <= 8;
  const grid = timeGrid(from, to, points);
  const places = Object.entries<Gauge>(byPods ? byPod : byNode);
  const shown = places.slice(0, 8);
  const series = shown.map(([name, gauge]): Series => {
    const version = byPods ? cell.result.history.pods.get(name)?.version : undefined;
    const label = version === undefined ? name : `${name} (${version})`;
    return { label, role: 'other', values: gaugeAt(gauge, grid) };
  });
  const mostOf = series
    .map(({ label, values }) => ({ label, most: Math.max(0, ...values) }))
    .sort((a, b) => b.most - a.most)[0];
  return {
    kind: 'lines',
    title: `Connections over time by ${byPods ? 'pod' : 'node'}`,
    summary: `${plural(places.length, byPods ? 'pod' : 'node')}${places.length > shown.length ? `, the first ${shown.length} shown` : ''}${mostOf === undefined ? '' : `; at most ${plural(mostOf.most, 'connection')} on one (${mostOf.label}), ${percent(mostOf.most / Math.max(1, cell.result.document.clients))} of the clients`}.`,
    x: grid.map((second) => second - zero),
    series,
    xTitle: SINCE_RELEASE,
    yTitle: 'connections',
    bands: stepBands(cell),
    marks: [],
  };
}
