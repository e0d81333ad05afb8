import { BOUNDS } from '../../harness/analyses/verdict.ts';
import { AXES, type AxisName } from '../../harness/contracts/axes.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell, StoredRun } from '../stored/stored-run.ts';
import { cellName, count, percent, showAxis, skippedCells, time, varyingAxes } from '../words/words.ts';
import { badge } from './parts.ts';

const row = (name: string, value: string | number | Html) => html`<dt>${name}</dt><dd>${value}</dd>`;

function speedWords(cell: AnalysedCell): string {
  const { speed } = cell.header;
  if (speed === null) return 'virtual time';
  return speed === 1 ? 'real time' : `${speed} times real time`;
}

/** How the run was made and how to make it again. */
export function howItWasRun(run: StoredRun, cells: readonly AnalysedCell[]): Html {
  const { run: info, header } = run;
  const varying = new Set(varyingAxes(cells));
  const [first] = cells;
  const fixed = (Object.keys(AXES) as AxisName[]).filter((name) => !varying.has(name));
  const clusters = new Map(cells.map((cell) => [cell.header.cluster, cell]));
  return html`<section id="method">
<h2>How it was run</h2>
<dl class="plain">
${row('run', info.id)}${row('started', info.startedAt)}${row('again', html`<code>${info.command}</code>`)}
${row('seed', info.seed)}${row('commit', info.commit)}${row(
  'versions',
  Object.entries(header.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', '),
)}
${row('machine', info.machine)}
${[...clusters].map(([name, cell]) =>
  row(
    `cluster ${name}`,
    `${cell.header.evidence}, ${speedWords(cell)}${Object.entries(cell.header.facts)
      .filter(([fact]) => fact !== 'timings')
      .map(([fact, value]) => `; ${fact}: ${value}`)
      .join('')}`,
  ),
)}
${first && row('varied', [...varying].join(', ') || 'nothing')}
${first && row('the same for all', fixed.map((name) => `${name} ${showAxis(first.header.axes, name)}`).join(', '))}
</dl>
${run.remarks.length > 0 && html`<p class="finding">${run.remarks.join('; ')}.</p>`}
${skipped(run)}
</section>`;
}

function skipped(run: StoredRun): Html | undefined {
  const cells = skippedCells(run);
  if (cells.length === 0) return undefined;
  return html`<h3>Skipped</h3><ul>${cells.map(({ header, skipped: why }) => html`<li>${header.id}: ${why}</li>`)}</ul>`;
}

/** The harness's evidence that it did not drop the clients itself. */
export function innocence(cells: readonly AnalysedCell[]): Html {
  const hasControl = cells.some(({ result }) => result.fleet.controlClients > 0);
  return html`<section id="innocence">
<h2>Did the harness itself drop clients?</h2>
<p class="lead">${hasControl ? 'A control group is connected to a pod that no step touches. If one of it is dropped, or' : 'There was no control group: before somebody else’s gateway there is nothing else to dial. If'} the harness lags by more than ${percent(BOUNDS.lagOfHeartbeat)} of the heartbeat period, the cell’s verdict is unknown.</p>
<section class="scroll" tabindex="0" aria-label="Evidence of the harness's innocence"><table><thead><tr><th scope="col">cell</th><th scope="col" class="number">control clients dropped</th><th scope="col" class="number">worst event-loop lag</th><th scope="col" class="number">worst clock drift</th><th scope="col" class="number">samples</th><th scope="col">ended</th><th scope="col">verdict</th></tr></thead><tbody>${cells.map(
    (cell) => {
      const { innocence: seen, fleet, document } = cell.result;
      const virtual = cell.header.speed === null;
      return html`<tr><th scope="row">${cellName(cell, cells)}</th><td class="number">${count(fleet.controlDropped)} of ${count(fleet.controlClients)}</td><td class="number">${virtual ? 'virtual time' : time(seen.worstLag)}</td><td class="number">${virtual ? 'virtual time' : time(seen.worstDrift)}</td><td class="number">${count(seen.samples)}</td><td>${seen.outcome}${seen.why && `: ${seen.why}`}</td><td>${badge(document.verdict)}</td></tr>`;
    },
  )}</tbody></table></section>
</section>`;
}

/** What the numbers are worth: measured, modelled from source, or not shown by anything. */
export function worth(cells: readonly AnalysedCell[]): Html {
  const measured = [
    ...new Set(
      cells.filter(({ header }) => header.evidence === 'measured').map(({ header }) => header.cluster),
    ),
  ];
  const modelled = [
    ...new Set(
      cells.filter(({ header }) => header.evidence === 'modelled').map(({ header }) => header.cluster),
    ),
  ];
  const timings = new Map(cells.map(({ header }) => [header.cluster, header.facts.timings]));
  return html`<section id="worth">
<h2>Measured, modelled, unproven</h2>
<dl class="plain">
${row('measured', measured.length === 0 ? 'nothing in this run' : `cells on ${measured.join(', ')}: real sockets through a real network stack`)}
${row('modelled', modelled.length === 0 ? 'only the predictions' : `cells on ${modelled.join(', ')}: packets walk the rules that kube-proxy writes, over a modelled conntrack table; controllers, kubelet and balancer follow their source code and documentation`)}
${[...timings].map(([cluster, text]) => text !== undefined && row(`timings on ${cluster}`, text))}
${row('platforms', 'no cloud’s own balancer took part unless the cluster is gke or kubeconfig; which models stand for which versions, and how each thing about them is known, is told below')}
${row('when a drop counts', 'a connection that ended, or a heartbeat that went unanswered, dated back to the last sign of life; not the socket’s own error, which a silent loss never raises')}
${row('causes', 'seen where the log shows them on the connection itself, otherwise marked as inferred; without evidence, unattributed')}
${row('intervals', 'Wilson, 95 %; measured and predicted agree when the interval of their difference (Newcombe) contains 0, widened where the seeds of a prediction differ by more than chance (quasi-binomial). They describe the chance of hashing and timing within a run, not differences between clusters.')}
</dl>
</section>`;
}
