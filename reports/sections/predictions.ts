import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { sharesAgree } from '../../harness/statistics.ts';
import { type Html, html } from '../html.ts';
import { type AnalysedCell, isAnalysed, type StoredRun } from '../stored-run.ts';
import { cellName, percent, rate, time } from '../words.ts';
import { representatives } from './over-seeds.ts';
import { badge } from './parts.ts';

/** A figure that both cells have. A share is compared as two samples; of the others both are shown, for a judge with eyes. */
interface Figure {
  readonly title: string;
  /** Clients, where the figure is a share of them. */
  readonly clients?: (document: CellDocument) => number;
  show(document: CellDocument): string;
}

const share = (title: string, clients: (document: CellDocument) => number): Figure => ({
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

function agreement(figure: Figure, measured: CellDocument, predicted: CellDocument): Html | undefined {
  const { clients } = figure;
  if (clients === undefined) return undefined;
  const sample = (document: CellDocument) => ({ successes: clients(document), trials: document.clients });
  return sharesAgree(sample(measured), sample(predicted))
    ? undefined
    : html` <span class="badge unknown">differs</span>`;
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
<section class="scroll" tabindex="0" aria-label="Predicted beside measured"><table><thead><tr><th scope="col">cell</th><th scope="col"></th>${FIGURES.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}<th scope="col">verdict</th></tr></thead><tbody>${pairs.map(
    ({ cell, prediction }) => {
      const [measured, predicted] = [cell.result.document, prediction.result.document];
      return html`<tr><th scope="rowgroup" rowspan="2">${cellName(cell, cells)}</th><td>measured on ${cell.header.cluster}</td>${FIGURES.map((figure) => html`<td class="number">${figure.show(measured)}</td>`)}<td>${badge(measured.verdict)}</td></tr><tr><td>predicted</td>${FIGURES.map((figure) => html`<td class="number">${figure.show(predicted)}${agreement(figure, measured, predicted)}</td>`)}<td>${badge(predicted.verdict)}</td></tr>`;
    },
  )}</tbody></table></section>
<p class="note">Differs: the 95 % interval of the difference of both shares does not hold 0. Whether a cell agrees is decided by the dropped share alone; the share dropped twice depends on moments that no two runs have in common, so it differs more often than chance alone would have it.</p>
</section>`;
}
