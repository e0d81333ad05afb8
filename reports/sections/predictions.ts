import {
  type CellDocument,
  type Counted,
  foretoldRange,
  isForetold,
} from '../../harness/analyses/cell-document.ts';
import { type Html, html } from '../page/html.ts';
import { type AnalysedCell, isAnalysed, type StoredRun } from '../stored/stored-run.ts';
import { cellName, interval, percent, rate, time } from '../words/words.ts';
import { representatives } from './over-seeds.ts';
import { badge } from './parts.ts';

/** A figure that both cells have. A share is compared as two samples; of the others both are shown, for a judge with eyes. */
interface Figure {
  readonly title: string;
  /** Clients, where the figure is a share of them. */
  readonly clients?: Counted;
  show(document: CellDocument): string;
}

const share = (title: string, clients: Counted): Figure => ({
  title,
  clients,
  show: (document) => percent(document.clients === 0 ? 0 : clients(document) / document.clients),
});

const FIGURES: readonly Figure[] = [
  share('dropped', ({ dropped }) => dropped),
  share('lost while the pod served', ({ collateral }) => collateral),
  share('lost silently', ({ silent }) => silent),
  share('twice or more', ({ droppedTwice }) => droppedTwice),
  { title: 'first drop after', show: ({ firstDropMillis }) => time(firstDropMillis) },
  { title: 'peak/s over 10 s', show: ({ peakReconnectsPer10Seconds }) => rate(peakReconnectsPer10Seconds) },
  { title: 'away p50', show: ({ timeAway }) => time(timeAway?.p50) },
  { title: 'away p95', show: ({ timeAway }) => time(timeAway?.p95) },
];

/** The cell that foretold this one, or undefined. */
const predictionOf = (run: StoredRun, cell: AnalysedCell): AnalysedCell | undefined =>
  run.cells.filter(isAnalysed).find(({ header }) => header.predicts === cell.header.id);

/** The other seeds of a share, and whether the measured one can be one more of them. */
function agreement({ clients }: Figure, measured: CellDocument): Html | undefined {
  const { samples = [] } = measured.predicted ?? {};
  if (clients === undefined || samples.length === 0) return undefined;
  const [low, high] = foretoldRange(clients, samples);
  return html`${high > low && html`<div class="note">${interval([low, high])}</div>`}${
    !isForetold(clients, measured, samples) && html` <span class="badge unknown">differs</span>`
  }`;
}

/** What the simulator foretold beside what was measured, figure by figure; nothing where nothing was foretold. */
export function predictionTable(run: StoredRun, cells: readonly AnalysedCell[]): Html | undefined {
  const pairs = representatives(cells).flatMap((cell) => {
    const prediction = predictionOf(run, cell);
    return prediction === undefined ? [] : [{ cell, prediction }];
  });
  if (pairs.length === 0) return undefined;
  return html`<section id="predictions">
<h2>Predicted beside measured</h2>
<section class="scroll" tabindex="0" aria-label="Predicted beside measured"><table><thead><tr><th scope="col">cell</th><th scope="col">figures</th>${FIGURES.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}<th scope="col">verdict</th></tr></thead><tbody>${pairs.map(
    ({ cell, prediction }) => {
      const [measured, predicted] = [cell.result.document, prediction.result.document];
      return html`<tr><th scope="rowgroup" rowspan="2">${cellName(cell, cells)}</th><td>measured on ${cell.header.cluster}</td>${FIGURES.map((figure) => html`<td class="number">${figure.show(measured)}</td>`)}<td>${badge(measured.verdict)}</td></tr><tr><td>predicted</td>${FIGURES.map((figure) => html`<td class="number">${figure.show(predicted)}${agreement(figure, measured)}</td>`)}<td>${badge(predicted.verdict)}</td></tr>`;
    },
  )}</tbody></table></section>
<p class="note">Predicted: the one seed that is logged whole, and the least and greatest share over all seeds that were played. Differs: the measured share cannot, at 95 %, be one more sample of these seeds. Whether a cell agrees is decided by the dropped share alone.</p>
</section>`;
}
