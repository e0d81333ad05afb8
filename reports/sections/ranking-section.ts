import type { Candidate } from '../../harness/analyses/ranking/ranking.ts';
import { type Criterion, RANKING_CRITERIA } from '../../harness/analyses/ranking/ranking-criteria.ts';
import type { Advice, RecommendedCase } from '../../harness/analyses/ranking/recommendation.ts';
import { type Html, html } from '../page/html.ts';
import {
  dominance,
  recommended,
  showValue,
  situation,
  toldCases,
  toldCriteria,
  tradeOff,
  withValues,
} from '../words/ranking-words.ts';
import { listed } from '../words/words.ts';

function valueCell(candidate: Candidate, { name, unit }: Criterion): Html {
  const { value, where } = candidate.values[name];
  const key = typeof value === 'number' ? value : Number.MAX_SAFE_INTEGER;
  const best = candidate.bestIn.includes(name);
  return html`<td class="number" data-value="${key}"${where !== '' && html` title="${where}"`}>${best ? html`<strong>${showValue({ unit }, value)}</strong>` : showValue({ unit }, value)}</td>`;
}

function row(candidate: Candidate, criteria: readonly Criterion[]): Html {
  const front = candidate.dominatedBy.length === 0;
  const { name, requires } = candidate;
  return html`<tr><th scope="row" style="min-width:17rem;white-space:normal">${name}<br><span class="note">requires ${requires.length === 0 ? 'nothing' : listed(requires)}</span></th>
<td data-value="${front ? 0 : 1}">${front ? html`<span class="badge pass">a trade</span>` : html`<span class="badge unknown">dominated</span>`}</td>
${criteria.map((each) => valueCell(candidate, each))}</tr>`;
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

/** What to do in one case, as a card: the choice with its numbers, what more effort would gain, why not the others. */
function advised(each: RecommendedCase): Html {
  const { pick } = each;
  const { where, better, also, not } = recommended(each);
  return html`<article class="card">
<h3><span>${where}</span>${pick !== null && html`<span class="badge pass">recommended</span>`}</h3>
<div class="big">${pick === null ? 'nothing that was played' : pick.name}</div>
${
  pick === null
    ? html`<p>Nothing that was played keeps to all of that.</p>`
    : html`<p class="note">requires ${pick.requires.length === 0 ? 'nothing' : listed(pick.requires)}</p>
<dl class="facts">${RANKING_CRITERIA.filter(({ name }) => pick.values[name].value !== null).map(
        (one) => html`<dt>${one.title}</dt><dd>${showValue(one, pick.values[one.name].value)}</dd>`,
      )}</dl>`
}
${better.length + also.length > 0 && html`<ul class="why">${[...better, ...also].map((sentence) => html`<li>${sentence}.</li>`)}</ul>`}
${not.length > 0 && html`<details><summary>Why not the others</summary><ul class="why">${not.map((sentence) => html`<li>${sentence}.</li>`)}</ul></details>`}
</article>`;
}

function one(advice: Advice, several: boolean): Html {
  const { candidates, unknown, recommendation, conditions } = advice;
  const criteria = toldCriteria(candidates);
  return html`${several && html`<h3>On ${advice.cluster}</h3>`}
<p class="note">${situation(advice)}</p>
<div class="cards" style="grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))">${toldCases(recommendation).map(advised)}</div>
<section class="scroll" tabindex="0" aria-label="Ranking of all releases on ${advice.cluster}"><table data-sortable>
<thead><tr><th scope="col"><button type="button">release</button></th><th scope="col"><button type="button">Pareto</button></th>${criteria.map(
    ({ short, title }) =>
      html`<th scope="col" class="number" title="${title}"><button type="button">${short}</button></th>`,
  )}</tr></thead>
<tbody>${candidates.map((each) => row(each, criteria))}</tbody></table></section>
<p class="note">Each field holds the worst of all conditions${conditions.length > 1 && ' (point at it to see which)'}; bold is best. ${criteria.map(({ short, title }) => `${short}: ${title}`).join('; ')}. Rollback: disconnects a client when the same release is interrupted half-way and rolled back. A dominated release has another beside it that is worse in nothing, requires nothing else and is better in something; values that chance alone could make differ count as equal.</p>
<details class="cell"><summary>Trade-offs of each release</summary><ul>${candidates.map((each) => trade(each, candidates))}</ul></details>
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
