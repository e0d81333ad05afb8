import { aboutCells } from '../../harness/analyses/warnings.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { warningsOf } from '../words/words.ts';

/** What makes results meaningless or surprising, beside the verdicts; undefined where nothing does. */
export function warningsSection(cells: readonly AnalysedCell[]): Html | undefined {
  const warnings = warningsOf(cells);
  if (warnings.length === 0) return undefined;
  return html`<section id="warnings">
<h2>Warnings</h2>
<ul class="why">${warnings.map((one) => {
    const about = aboutCells(one);
    return html`<li>${about !== undefined && html`<strong>${about}</strong>: `}${one.warning}</li>`;
  })}</ul>
</section>`;
}
