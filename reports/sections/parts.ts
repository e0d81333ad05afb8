import type { VerdictName } from '../../harness/analyses/verdict.ts';
import type { ChartSpec } from '../charts/chart-spec.ts';
import { type Html, html } from '../page/html.ts';

/** Collects the charts of a page while its sections are made; their data stands once, in one script. */
export interface ChartShelf {
  add(spec: ChartSpec, small?: boolean): string;
  readonly data: Record<string, { spec: ChartSpec; small: boolean }>;
}

export function chartShelf(): ChartShelf {
  const data: ChartShelf['data'] = {};
  let next = 1;
  return {
    data,
    add(spec, small = false) {
      const id = `chart-${next++}`;
      data[id] = { spec, small };
      return id;
    },
  };
}

export const badge = (verdict: VerdictName): Html => html`<span class="badge ${verdict}">${verdict}</span>`;

/** A chart's drawing area, and the sentence that stands there instead where no script draws it. */
export const drawing = (id: string, label: string, instead: string): Html =>
  html`<div class="canvas scripted"><canvas data-chart="${id}" role="img" aria-label="${label}"></canvas></div><noscript><p class="note">${instead}</p></noscript>`;

/** A chart with its title, its drawing area and the sentence that says the same. */
export function figure(shelf: ChartShelf, spec: ChartSpec): Html {
  const id = shelf.add(spec);
  return html`<figure>
<h4>${spec.title}</h4>
${drawing(id, `${spec.title}. ${spec.summary}`, 'No script runs here, so no chart is drawn; its points stand in report.json.')}
<figcaption>${spec.summary}</figcaption>
</figure>`;
}

/** Rounds seconds to what a table needs. */
export const seconds = (millis: number): number => Math.round(millis / 100) / 10;
