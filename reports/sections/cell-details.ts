import { CAUSES, type Cause } from '../../harness/analyses/ledger/causes.ts';
import {
  commonChains,
  describeChain,
  describeLoss,
  type LedgerRow,
} from '../../harness/analyses/ledger/ledger.ts';
import {
  connectionsChart,
  disconnectsChart,
  placesChart,
  reconnectsChart,
  timeAwayChart,
} from '../charts/cell-charts.ts';
import { numberedSteps, releaseBegin } from '../charts/chart-spec.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { cellName, count, droppedShare, percent, plural, time } from '../words/words.ts';
import { cellAnswer } from './answer.ts';
import { autoscalerSection } from './autoscaler-section.ts';
import { capacitySection } from './capacity-section.ts';
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

type Bar = readonly [label: string, number: number, bad?: boolean];

function barList(bars: readonly Bar[], whole: number): Html {
  return html`<div class="bars">${bars.map(
    ([label, number, bad = false]) =>
      html`<span>${label}</span><div class="bar${bad && ' bad'}"><i style="width:${((100 * number) / Math.max(1, whole)).toFixed(2)}%"></i></div><span>${count(number)} <span class="note">(${percent(number / Math.max(1, whole))})</span></span>`,
  )}</div>`;
}

/** Clients by number of disconnects, and how their disconnects showed. */
function disconnectsPerClient(cell: AnalysedCell): Html {
  const { disconnectsPerClient: histogram, clients } = cell.result.fleet;
  const { document, ledger } = cell.result;
  const [none = 0, one = 0, ...more] = histogram;
  const ways = new Map<string, number>();
  for (const { showed, asked } of ledger.rows) {
    const way = asked ? 'left on request' : showed;
    ways.set(way, (ways.get(way) ?? 0) + 1);
  }
  const sorted = [...ways].sort(([, a], [, b]) => b - a);
  return html`<figure>
<h4>Disconnects per client</h4>
${barList(
  [
    ['not dropped', none],
    ['dropped once', one],
    ...more.map(
      (number, index): Bar => [`dropped ${index === 0 ? 'twice' : `${index + 2} times`}`, number, true],
    ),
  ],
  clients,
)}
${sorted.length > 0 && html`<h4>How the disconnects showed to the clients</h4>${barList(sorted, ledger.rows.length)}`}
<figcaption>A release should drop each client at most once.${document.healed > 0 && ` ${plural(document.healed, 'client')} fell silent and healed before the heartbeat gave up.`}${document.replacedConnections > 0 && ` ${plural(document.replacedConnections, 'connection')} were replaced before they were closed, which counts as no disconnect.`}</figcaption>
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
  if (rows.length === 0) return html`<h4>Causes</h4><p>No connection was lost.</p>`;
  const sorted = [...byCause].sort(([, a], [, b]) => b.length - a.length);
  const kinds = commonChains(chains);
  const told = kinds.slice(0, MOST_CHAINS);
  const firstOf = new Map<number, LedgerRow>();
  for (const row of rows) if (!firstOf.has(row.chain)) firstOf.set(row.chain, row);
  return html`<h4>Causes</h4>
${barList(
  sorted.map(
    ([cause, list]): Bar => [
      `${CAUSES[cause].title}${list.some(({ inferred }) => inferred) ? ' (inferred)' : ''}`,
      list.length,
      cause === 'unattributed',
    ],
  ),
  rows.length,
)}
${sorted.map(([cause]) => html`<p class="note"><strong>${CAUSES[cause].title}:</strong> ${CAUSES[cause].says}</p>`)}
<h4>What led to the losses</h4>
${told.map((chain) => {
  const example = firstOf.get(chain.index);
  return html`<h5>${plural(chain.rows, 'disconnect')}: ${CAUSES[chain.cause].title}${chain.inferred && ' (inferred)'}</h5>
<ol class="chain">${describeChain(chain).map((line) => html`<li>${line}</li>`)}${
    example && describeLoss(example, chain).map((line) => html`<li class="note">${line}</li>`)
  }</ol>${example && html`<p class="note">The last lines are ${example.client}'s, for example.</p>`}`;
})}
${kinds.length > told.length && html`<p class="note">The ${told.length} commonest of ${count(kinds.length)} chains, those that differ only in time taken for one; the ledger tells each row's own.</p>`}`;
}

function details(cell: AnalysedCell, cells: readonly AnalysedCell[], shelf: ChartShelf, open: boolean): Html {
  const { document, criteria, history } = cell.result;
  const strips = cells.length <= 6 ? 40 : 20;
  return html`<details class="cell"${open && html` open`}>
<summary><h3>${cellName(cell, cells)}</h3>${badge(document.verdict)}<span class="note">${droppedShare(document)} dropped, ${count(document.unattributed)} unattributed</span></summary>
<p>${capital(cellAnswer(cell))}.</p>
<ul class="criteria">${criteria.map(({ outcome, says }) => html`<li>${badge(outcome)}<span>${says}</span></li>`)}</ul>
${steps(cell)}
<div class="grid2">${figure(shelf, connectionsChart(cell))}${figure(shelf, disconnectsChart(cell))}${figure(shelf, reconnectsChart(cell))}${
    document.timeAway && figure(shelf, timeAwayChart(cell))
  }${disconnectsPerClient(cell)}${figure(shelf, placesChart(cell))}</div>
${clusterLanes(cell)}
${capacitySection(cell, shelf)}
${autoscalerSection(cell, shelf)}
${clientStrips(cell, strips)}
${causes(cell)}
${history.notes.length > 0 && html`<h4>Notes</h4><ul>${history.notes.slice(0, 20).map(({ at, text }) => html`<li>${time(at - releaseBegin(cell))}: ${text}</li>`)}</ul>`}
</details>`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Everything about each cell; only the first is unfolded where there are many. */
export function cellDetails(cells: readonly AnalysedCell[], shelf: ChartShelf): Html {
  return html`<section id="cells">
<h2>Cell by cell</h2>
<p class="lead">All times count from the begin of the release. Shaded stretches are its numbered steps: blue where new connections should go to v2, red for a fault or change around the release, violet for the rollback.</p>
${cells.map((cell, index) => details(cell, cells, shelf, index === 0 || cells.length <= 2))}
</section>`;
}
