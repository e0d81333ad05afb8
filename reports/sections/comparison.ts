import { excess } from '../../harness/analyses/clients/shape.ts';
import type { AxisName } from '../../harness/contracts/axes.ts';
import { connectionsChart } from '../charts/cell-charts.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import {
  cellName,
  count,
  droppedInterval,
  percent,
  rate,
  showAxis,
  time,
  varyingAxes,
} from '../words/words.ts';
import { representatives } from './over-seeds.ts';
import { badge, type ChartShelf, drawing } from './parts.ts';

interface Column {
  readonly title: string;
  readonly number?: boolean;
  show(cell: AnalysedCell): string | Html;
  /** What to sort by; the text itself where not given. */
  key?(cell: AnalysedCell): number;
}

function columns(cells: readonly AnalysedCell[]): Column[] {
  const several = (of: (cell: AnalysedCell) => unknown) => new Set(cells.map(of)).size > 1;
  const axis = (name: AxisName): Column => ({
    title: name,
    show: ({ header }) => showAxis(header.axes, name),
  });
  const number = (
    title: string,
    of: (cell: AnalysedCell) => number | null | undefined,
    show: (value: number) => string,
  ): Column => ({
    title,
    number: true,
    show: (cell) => {
      const value = of(cell);
      return value === null || value === undefined ? '–' : show(value);
    },
    key: (cell) => of(cell) ?? -1,
  });
  return [
    ...(cells.some(({ header }) => header.title !== undefined)
      ? [{ title: 'cell', show: (cell: AnalysedCell) => cellName(cell, cells) }]
      : []),
    ...(several(({ header }) => header.cluster)
      ? [{ title: 'cluster', show: ({ header }: AnalysedCell) => header.cluster }]
      : []),
    ...varyingAxes(cells).map(axis),
    ...(several(({ header }) => header.seed) ? [number('seed', ({ header }) => header.seed, String)] : []),
    {
      title: 'verdict',
      show: ({ result }) => badge(result.document.verdict),
      key: ({ result }) => ['pass', 'unknown', 'fail'].indexOf(result.document.verdict),
    },
    number(
      'dropped',
      ({ result: { document } }) => (document.clients === 0 ? null : document.droppedShare),
      percent,
    ),
    {
      title: '95 % interval',
      number: true,
      show: ({ result }) => droppedInterval(result.document),
      key: ({ result }) => result.document.interval[0],
    },
    ...(cells.some(({ result }) => result.document.predicted)
      ? [
          {
            title: 'predicted',
            number: true,
            show: ({ result: { document } }: AnalysedCell) =>
              document.predicted === undefined
                ? '–'
                : html`${percent(document.predicted.droppedShare)} ${document.predicted.agrees ? 'agrees' : html`<span class="badge unknown">disagrees</span>`}`,
            key: ({ result }: AnalysedCell) => result.document.predicted?.droppedShare ?? -1,
          },
        ]
      : []),
    number('twice or more', ({ result }) => result.document.droppedTwice, count),
    number('landed on old', ({ result }) => result.document.landedOnOld, count),
    number('collateral', ({ result }) => result.document.collateral, count),
    number('unattributed', ({ result }) => result.document.unattributed, count),
    number('first drop', ({ result }) => result.document.firstDropMillis, time),
    number('peak/s', ({ result }) => result.document.peakReconnectsPerSecond, rate),
    number('most away', ({ result }) => result.document.mostAwayShare, percent),
    number('away p50', ({ result }) => result.document.timeAway?.p50, time),
    number('away p95', ({ result }) => result.document.timeAway?.p95, time),
    number('all on v2 after', ({ result }) => result.document.allOnV2Millis, time),
    number(
      'fullest pod',
      ({ result: { document } }) => document.shape && excess(document.shape),
      (more) => `+${percent(more)}`,
    ),
    number('empty pods', ({ result }) => result.document.shape?.empty, count),
  ];
}

/** All cells of the run in one sortable table. */
export function comparisonTable(cells: readonly AnalysedCell[]): Html {
  const all = columns(cells);
  return html`<section id="comparison">
<h2>Comparison of all cells</h2>
<section class="scroll" tabindex="0" aria-label="Comparison of all cells"><table data-sortable>
<thead><tr><th scope="col"><button type="button">strategy</button></th>${all.map(
    ({ title, number }) =>
      html`<th scope="col"${number ? html` class="number"` : ''}><button type="button">${title}</button></th>`,
  )}</tr></thead>
<tbody>${cells.map(
    (cell) =>
      html`<tr><th scope="row">${cell.header.strategy}</th>${all.map(({ number, show, key }) => {
        const value = key?.(cell);
        return html`<td${number ? html` class="number"` : ''}${value === undefined ? '' : html` data-value="${value}"`}>${show(cell)}</td>`;
      })}</tr>`,
  )}</tbody></table></section>
<p class="note">${cells.every(({ result }) => result.document.unattributed === 0) && 'Every disconnect has a cause: none is unattributed. '}Dropped: clients with at least one disconnect, with the Wilson interval. Collateral: clients that lost a connection although its pod was still serving and had not asked them to go. First drop counts from the step that caused it. Peak: reconnects in the busiest second. Time away counts from the last sign of life to the reopening. Fullest pod: how many more connections it holds at the end than the mean of the gateways that are ready then.</p>
</section>`;
}

/** Connections over time of every cell, side by side on their own scales. */
export function smallMultiples(cells: readonly AnalysedCell[], shelf: ChartShelf): Html | undefined {
  if (cells.length < 2) return undefined;
  const shown = representatives(cells);
  return html`<section id="overview">
<h2>Connections over time, cell by cell</h2>
<div class="legend"><span><i class="c-v1"></i>on v1</span><span><i class="c-v2"></i>on v2</span><span><i class="c-away"></i>away</span><span>shaded: steps of the release</span></div>
<div class="grid3">${shown.map((cell) => {
    const spec = connectionsChart(cell, 120);
    const id = shelf.add(spec, true);
    return html`<figure class="small"><h3><span>${cellName(cell, cells)}</span>${badge(cell.result.document.verdict)}</h3>${drawing(id, `${cellName(cell, cells)}: ${spec.summary}`, spec.summary)}</figure>`;
  })}</div>
${shown.length < cells.length && html`<p class="note">Of cells that differ in nothing but the seed, the first.</p>`}
</section>`;
}
