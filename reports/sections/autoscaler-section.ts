import { releaseBegin } from '../charts/chart-spec.ts';
import { replicasChart } from '../charts/replicas-chart.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { plural, time } from '../words/words.ts';
import { type ChartShelf, figure } from './parts.ts';

/** Decisions told in full; those that scale come first where there are more. */
const MOST_DECISIONS = 40;

/** What the autoscaler wanted over time and why, or nothing where there was none. */
export function autoscalerSection(cell: AnalysedCell, shelf: ChartShelf): Html | false {
  const { autoscaler } = cell.result.history;
  if (autoscaler.length === 0) return false;
  const zero = releaseBegin(cell);
  const changes = autoscaler.filter(({ current, desired }) => current !== desired);
  const told = autoscaler.length > MOST_DECISIONS ? changes : autoscaler;
  const shown = told.slice(0, MOST_DECISIONS);
  return html`<h4>What the autoscaler did</h4>
${figure(shelf, replicasChart(cell))}
<section class="scroll" tabindex="0" aria-label="Decisions of the autoscaler in ${cell.header.id}"><table>
<thead><tr><th scope="col" class="number">time</th><th scope="col">Deployment</th><th scope="col" class="number">replicas</th><th scope="col">why</th></tr></thead>
<tbody>${shown.map(
    ({ at, target, current, desired, why }) =>
      html`<tr><td class="number">${time(at - zero)}</td><td>${target}</td><td class="number">${current === desired ? `${current}` : `${current} → ${desired}`}</td><td>${why}</td></tr>`,
  )}</tbody></table></section>
<p class="note">${plural(changes.length, 'change')} of replicas${autoscaler.length > told.length && '; decisions that changed nothing are left out'}${told.length > shown.length && `; the first ${shown.length} of ${told.length}`}. ScaleDownStabilized: a higher count was recommended within the window (5 minutes unless said). TooFewReplicas, TooManyReplicas: held by minReplicas, maxReplicas. ScaleUpLimit, ScaleDownLimit: as much as one sync or the scaling policies allow.</p>`;
}
