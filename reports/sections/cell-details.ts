import { CAUSES, type Cause } from '../../harness/analyses/causes.ts';
import { describeChain, describeLoss, type LedgerRow } from '../../harness/analyses/ledger.ts';
import { cellAnswer } from '../answer.ts';
import { connectionsChart, placesChart, ratesChart, timeAwayChart } from '../charts/cell-charts.ts';
import { numberedSteps, releaseBegin } from '../charts/chart-spec.ts';
import { type Html, html } from '../html.ts';
import type { AnalysedCell } from '../stored-run.ts';
import { cellName, count, percent, plural, time } from '../words.ts';
import { clientStrips, clusterLanes } from './lanes.ts';
import { badge, type ChartShelf, figure } from './parts.ts';

/** Chains told in full per cell; the ledger has the rest. */
const MOST_CHAINS = 6;

function steps(cell: AnalysedCell): Html {
  const zero = releaseBegin(cell);
  return html`<ol class="steps">${numberedSteps(cell).map(
    ({ step, tag }) =>
      html`<li><b>${tag}</b>${step.name} <span class="note">+${time(step.begin - zero)}${step.end === null ? ', never ended' : step.end > step.begin ? `, took ${time(step.end - step.begin)}` : ''}${step.cutOver && ', cut-over'}${step.fault && ', fault'}${step.phase === 'rollback' && ', rollback'}</span></li>`,
  )}</ol>`;
}

/** Clients by number of disconnects: none, one, two or more. */
function disconnectsPerClient(cell: AnalysedCell): Html {
  const { disconnectsPerClient: histogram, clients } = cell.result.fleet;
  const [none = 0, one = 0, ...more] = histogram;
  const bars: [string, number, boolean][] = [
    ['not dropped', none, false],
    ['dropped once', one, false],
    ...more.map((number, index): [string, number, boolean] => [`dropped ${index + 2} times`, number, true]),
  ];
  return html`<figure>
<h4>Disconnects per client</h4>
<div class="bars">${bars.map(
    ([label, number, bad]) =>
      html`<span>${label}</span><div class="bar${bad && ' bad'}"><i style="width:${((100 * number) / Math.max(1, clients)).toFixed(2)}%"></i></div><span>${count(number)} <span class="note">(${percent(number / Math.max(1, clients))})</span></span>`,
  )}</div>
<figcaption>A release should drop each client at most once.</figcaption>
</figure>`;
}

function causes(cell: AnalysedCell): Html {
  const { rows, chains } = cell.result.ledger;
  const byCause = new Map<Cause, LedgerRow[]>();
  for (const row of rows) {
    const list = byCause.get(row.cause);
    if (list === undefined) byCause.set(row.cause, [row]);
    else list.push(row);
  }
  if (rows.length === 0) return html`<h3>Causes</h3><p>No connection was lost.</p>`;
  const sorted = [...byCause].sort(([, a], [, b]) => b.length - a.length);
  const told = chains
    .map((chain, index) => ({ chain, index }))
    .sort((a, b) => b.chain.rows - a.chain.rows)
    .slice(0, MOST_CHAINS);
  const firstOf = new Map<number, LedgerRow>();
  for (const row of rows) if (!firstOf.has(row.chain)) firstOf.set(row.chain, row);
  return html`<h3>Causes</h3>
<div class="bars">${sorted.map(
    ([cause, list]) =>
      html`<span>${CAUSES[cause].title}</span><div class="bar${cause === 'unattributed' && ' bad'}"><i style="width:${((100 * list.length) / rows.length).toFixed(2)}%"></i></div><span>${plural(list.length, 'disconnect')}${list.some(({ inferred }) => inferred) && ' (inferred)'}</span>`,
  )}</div>
${sorted.map(([cause]) => html`<p class="note"><strong>${CAUSES[cause].title}:</strong> ${CAUSES[cause].says}</p>`)}
<h3>What led to the losses</h3>
${told.map(({ chain, index }) => {
  const example = firstOf.get(index);
  return html`<h4>${plural(chain.rows, 'disconnect')}: ${CAUSES[chain.cause].title}${chain.inferred && ' (inferred)'}</h4>
<ol class="chain">${describeChain(chain).map((line) => html`<li>${line}</li>`)}${
    example && describeLoss(example, chain).map((line) => html`<li class="note">${line}</li>`)
  }</ol>${example && html`<p class="note">The last lines are ${example.client}'s, for example.</p>`}`;
})}
${chains.length > told.length && html`<p class="note">The ${told.length} commonest of ${chains.length} chains; the ledger tells each row's own.</p>`}`;
}

function details(cell: AnalysedCell, cells: readonly AnalysedCell[], shelf: ChartShelf, open: boolean): Html {
  const { document, criteria, history } = cell.result;
  const strips = cells.length <= 6 ? 60 : 24;
  return html`<details class="cell"${open && html` open`}>
<summary>${cellName(cell, cells)}${badge(document.verdict)}<span class="note">${percent(document.droppedShare)} dropped</span></summary>
<p>${capital(cellAnswer(cell))}.</p>
<ul class="criteria">${criteria.map(({ outcome, says }) => html`<li>${badge(outcome)}<span>${says}</span></li>`)}</ul>
${steps(cell)}
<div class="grid2">${figure(shelf, connectionsChart(cell))}${figure(shelf, ratesChart(cell))}${disconnectsPerClient(cell)}${
    document.timeAway && figure(shelf, timeAwayChart(cell))
  }${figure(shelf, placesChart(cell))}${clientStrips(cell, strips)}</div>
${clusterLanes(cell)}
${causes(cell)}
${history.notes.length > 0 && html`<h3>Notes</h3><ul>${history.notes.slice(0, 20).map(({ at, text }) => html`<li>${time(at - releaseBegin(cell))}: ${text}</li>`)}</ul>`}
</details>`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Everything about each cell; only the first is unfolded where there are many. */
export function cellDetails(cells: readonly AnalysedCell[], shelf: ChartShelf): Html {
  return html`<section id="cells">
<h2>Cell by cell</h2>
<p class="lead">All times count from the begin of the release. Shaded stretches are its numbered steps.</p>
${cells.map((cell, index) => details(cell, cells, shelf, index === 0 || cells.length <= 2))}
</section>`;
}
