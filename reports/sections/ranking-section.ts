import type { Candidate } from '../../harness/analyses/ranking.ts';
import { type Criterion, RANKING_CRITERIA } from '../../harness/analyses/ranking-criteria.ts';
import type { Advice } from '../../harness/analyses/recommendation.ts';
import { type Html, html } from '../html.ts';
import {
  dominance,
  recommended,
  showValue,
  situation,
  toldCases,
  tradeOff,
  withValues,
} from '../ranking-words.ts';

function valueCell(candidate: Candidate, { name, unit }: Criterion): Html {
  const { value, where } = candidate.values[name];
  const key = typeof value === 'number' ? value : Number.MAX_SAFE_INTEGER;
  const best = candidate.bestIn.includes(name);
  return html`<td class="number" data-value="${key}"${where !== '' && html` title="${where}"`}>${best ? html`<strong>${showValue({ unit }, value)}</strong>` : showValue({ unit }, value)}</td>`;
}

function row(candidate: Candidate): Html {
  const front = candidate.dominatedBy.length === 0;
  return html`<tr><th scope="row">${candidate.name}</th>
<td data-value="${front ? 0 : 1}">${front ? html`<span class="badge pass">a trade</span>` : html`<span class="badge unknown">dominated</span>`}</td>
${RANKING_CRITERIA.map((one) => valueCell(candidate, one))}
<td>${candidate.requires.length === 0 ? 'nothing' : candidate.requires.join('; ')}</td></tr>`;
}

function trade(candidate: Candidate, candidates: readonly Candidate[]): Html {
  const { name, dominatedBy } = candidate;
  const { wins, pays } = tradeOff(candidate, candidates);
  return html`<li><strong>${name}</strong><ul>
${wins.length > 0 && html`<li>among the best in ${withValues(candidate, wins)}</li>`}
${pays.length > 0 && html`<li>pays with ${withValues(candidate, pays)}</li>`}
${dominatedBy.map((each) => html`<li>dominated: ${dominance(each)}</li>`)}
${wins.length + pays.length + dominatedBy.length === 0 && html`<li>neither among the best nor among the worst in anything</li>`}</ul></li>`;
}

function one(advice: Advice, several: boolean): Html {
  const { candidates, unknown, recommendation } = advice;
  return html`${several && html`<h3>On ${advice.cluster}</h3>`}
<section class="scroll" tabindex="0" aria-label="Ranking of all releases on ${advice.cluster}"><table data-sortable>
<thead><tr><th scope="col"><button type="button">release</button></th><th scope="col"><button type="button">Pareto</button></th>${RANKING_CRITERIA.map(
    ({ title }) => html`<th scope="col" class="number"><button type="button">${title}</button></th>`,
  )}<th scope="col"><button type="button">requires</button></th></tr></thead>
<tbody>${candidates.map(row)}</tbody></table></section>
<p class="note">The worst of all conditions stands in each field${advice.conditions.length > 1 ? ` (${advice.conditions.join('; ')}; point at a field to see which)` : ''}; bold is best. Rollback cost: disconnects a client when the same release is interrupted half-way and rolled back. Dominated: another release is worse in nothing, requires nothing else, and is better in something; values that chance alone could make differ count as equal.</p>
<h3>What the numbers recommend</h3>
<p class="note">${situation(advice)}</p>
${toldCases(recommendation).map((each) => html`<ul class="why">${recommended(each).map((sentence) => html`<li>${sentence}.</li>`)}</ul>`)}
<details><summary>Trade-offs of each release</summary><ul>${candidates.map((each) => trade(each, candidates))}</ul></details>
${
  unknown.length > 0 &&
  html`<h3>Not ranked</h3><ul class="why">${unknown.map(({ name, why }) => html`<li>${name}: unknown: ${why}</li>`)}</ul>`
}`;
}

/** All releases of the run against each other, cluster by cluster; undefined where there is nothing to compare. */
export function rankingSection(advice: readonly Advice[]): Html | undefined {
  if (advice.length === 0) return undefined;
  return html`<section id="ranking">
<h2>Which release to choose</h2>
${advice.map((each) => one(each, advice.length > 1))}
</section>`;
}
