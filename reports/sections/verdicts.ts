import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { againWords } from '../words/capacity-words.ts';
import {
  assumed,
  cellName,
  count,
  droppedInterval,
  droppedShare,
  interval,
  percent,
  rate,
  time,
} from '../words/words.ts';
import { representatives } from './over-seeds.ts';
import { badge } from './parts.ts';

/** Where the dropped share and its interval lie between none and all, and where the prediction lay. */
function rangeBar({ droppedShare, interval: [low, high], predicted }: CellDocument): Html {
  const at = (share: number) => `${(100 * share).toFixed(2)}%`;
  return html`<div class="range" aria-hidden="true"><i class="measured" style="left:${at(low)};width:${at(high - low)}"></i><i class="point" style="left:${at(droppedShare)}"></i>${
    predicted && html`<i class="foretold" style="left:${at(predicted.droppedShare)}"></i>`
  }</div>`;
}

function prediction({ predicted }: CellDocument): Html | undefined {
  if (predicted === undefined) return undefined;
  const { droppedShare, range, samples, agrees } = predicted;
  const spread = range[0] === range[1] ? percent(range[0]) : interval(range);
  return html`<dt>predicted by the simulator</dt><dd>${percent(droppedShare)} ${
    agrees ? html`<span class="badge pass">agrees</span>` : html`<span class="badge unknown">disagrees</span>`
  }</dd>${samples.length > 1 && html`<dt>with ${samples.length} seeds</dt><dd>${spread}</dd>`}`;
}

/** A number that should be 0. */
const tally = (number: number) => html`<dd${number > 0 && html` class="bad"`}>${count(number)}</dd>`;

function card(cell: AnalysedCell, cells: readonly AnalysedCell[]): Html {
  const { document } = cell.result;
  return html`<article class="card">
<h3><span>${cellName(cell, cells)}</span>${badge(document.verdict)}</h3>
<div class="big">${droppedShare(document)} <small>of ${count(document.clients)} clients dropped${document.dropped > 0 && document.droppedTwice === 0 && ', once each'}</small></div>
${rangeBar(document)}
<p class="interval">95 % interval ${droppedInterval(document)}</p>
<dl class="facts">
${prediction(document)}
<dt>dropped twice or more</dt>${tally(document.droppedTwice)}
<dt>landed on the old version</dt>${tally(document.landedOnOld)}
<dt>dropped without a known cause (unattributed)</dt>${tally(document.unattributed)}
<dt>lost while their pod still served</dt>${tally(document.collateral)}
${document.rehomed > 0 && html`<dt>moved without a disconnect</dt><dd>${count(document.rehomed)}</dd>`}
${document.healed > 0 && html`<dt>fell silent and healed</dt><dd>${count(document.healed)}</dd>`}
${document.shape !== null && document.shape.pods > 1 && html`<dt>connections a pod at the end, most / mean</dt><dd>${count(document.shape.most)} / ${rate(document.shape.mean)}${document.shape.empty > 0 && html` <span class="note">(${count(document.shape.empty)} of ${count(document.shape.pods)} hold none)</span>`}</dd>`}
<dt>peak reconnects per second</dt><dd>${rate(document.peakReconnectsPerSecond)}${document.theoreticalPeakPerSecond !== null && html` <span class="note">(theory ${rate(document.theoreticalPeakPerSecond)})</span>`}</dd>
<dt>time away, median / p95</dt><dd>${time(document.timeAway?.p50)} / ${time(document.timeAway?.p95)}</dd>
${
  document.capacity !== null &&
  html`<dt>does the door hold</dt><dd${document.capacity.outcome !== 'holds' && html` class="bad"`}>${document.capacity.outcome}</dd><dt>longest queue, longest wait</dt><dd>${count(document.capacity.longestQueue)}, ${time(document.capacity.longestWaitMillis)}</dd><dt>the service</dt><dd>${againWords(document.capacity)}</dd>`
}
</dl>
${document.verdict !== 'pass' && html`<ul class="why">${document.why.map((reason) => html`<li>${reason}</li>`)}</ul>`}
</article>`;
}

/** More cards than this are a table. */
const MOST_CARDS = 12;

/** One card a cell; a run of very many cells has its table instead. */
export function verdictCards(cells: readonly AnalysedCell[]): Html {
  const chosen = representatives(cells);
  const shown = chosen.slice(0, MOST_CARDS);
  return html`<section id="verdicts">
<h2>Verdicts</h2>
<div class="cards">${shown.map((cell) => card(cell, cells))}</div>
${assumed(cells).map((sentence) => html`<p class="note">Assumed: ${sentence}.</p>`)}
${shown.length < cells.length && html`<p class="note">${chosen.length < cells.length && 'Of cells that differ in nothing but the seed, the first. '}${shown.length < chosen.length && `${shown.length} of ${chosen.length} are shown here. `}All ${cells.length} cells stand in the tables below.</p>`}
</section>`;
}
