import type { AxisName } from '../../harness/contracts/axes.ts';
import type { Platform } from '../../harness/platforms/platform.ts';
import { EVIDENCE, evidenceOf, PLATFORM_TABLES } from '../../harness/platforms/tables.ts';
import { HEEDERS } from '../../scenarios/index.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { showAxis } from '../words/words.ts';

interface Modelled {
  readonly kind: string;
  readonly platform: Platform;
}

/** The modelled platforms of these cells, each once. */
function modelled(cells: readonly AnalysedCell[]): Modelled[] {
  return (Object.keys(PLATFORM_TABLES) as (keyof typeof PLATFORM_TABLES & AxisName)[]).flatMap((axis) => {
    const { title, entries } = PLATFORM_TABLES[axis];
    const heeders = HEEDERS.get(axis);
    const names = cells
      .filter(({ header }) => heeders?.includes(header.strategy) ?? true)
      .map(({ header }) => showAxis(header.axes, axis));
    const platforms = names.flatMap((name) => entries[name] ?? []);
    return [...new Set(platforms)].map((platform) => ({ kind: title, platform }));
  });
}

/** What stands in for which platforms and versions, and how each thing about them is known. */
export function platformsSection(cells: readonly AnalysedCell[]): Html {
  return html`<section id="platforms">
<h2>What is modelled, and how it is known</h2>
<p class="lead">Simulated cells and predictions are played on these models; what a measured cell has of its own is told under “How it was run”. None is used for another platform or version than it names.</p>
${modelled(cells).map(
  ({ kind, platform }) => html`<details>
<summary><strong>${platform.title}</strong> <span class="note">${kind}: ${evidenceOf(platform)}</span></summary>
<p>Stands for: ${platform.versions}.</p>
<section class="scroll" tabindex="0" aria-label="How each thing about ${platform.title} is known"><table><thead><tr><th scope="col">what it does</th><th scope="col">known how</th><th scope="col">from</th></tr></thead><tbody>${platform.properties.map(
    ({ says, evidence, source }) =>
      html`<tr><td>${says}</td><td>${EVIDENCE[evidence]}</td><td>${source}</td></tr>`,
  )}</tbody></table></section>
</details>`,
)}
</section>`;
}
