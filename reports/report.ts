import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Html, html, inlineScript, jsonScript } from './page/html.ts';
import { adviceOf } from './result/advice.ts';
import { answer, disagreements, question, runVerdict } from './sections/answer.ts';
import { cellDetails } from './sections/cell-details.ts';
import { comparisonTable, smallMultiples } from './sections/comparison.ts';
import { ledgerSection } from './sections/ledger-section.ts';
import { howItWasRun, innocence, worth } from './sections/method.ts';
import { overSeeds, seedGroups } from './sections/over-seeds.ts';
import { badge, chartShelf } from './sections/parts.ts';
import { platformsSection } from './sections/platforms.ts';
import { predictionTable } from './sections/predictions.ts';
import { rankingSection } from './sections/ranking-section.ts';
import { seventyThirtySection } from './sections/seventy-thirty.ts';
import { verdictCards } from './sections/verdicts.ts';
import { warningsSection } from './sections/warnings-section.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { answeringCells, cellName, percent } from './words/words.ts';

const part = (...path: string[]) => readFileSync(join(import.meta.dirname, ...path), 'utf8');
const page = (name: string) => part('page', name);

/** Chart.js as one classic script; it is licensed under MIT and says so in its first line. */
const chartLibrary = () =>
  readFileSync(
    createRequire(import.meta.url)
      .resolve('chart.js')
      .replace(/chart\.c?js$/, 'chart.umd.min.js'),
    'utf8',
  );

/** Modules of ours become one script: what they export is simply there. */
const asScript = (source: string) => source.replace(/^export /gm, '');

function navigation(parts: readonly (readonly [string, string] | undefined)[]): Html {
  return html`<nav aria-label="Contents"><ul class="wide">${parts.map(
    (part) => part && html`<li><a href="#${part[0]}">${part[1]}</a></li>`,
  )}</ul></nav>`;
}

/**
 * The report of a run as one self-contained page: no network, no fonts, no images. The same run gives the same
 * bytes. Every text from the log is escaped.
 */
export function renderReport(run: StoredRun): string {
  const cells = answeringCells(run);
  const different = disagreements(run);
  const compared = cells.filter(({ result }) => result.document.predicted !== undefined).length;
  const shelf = chartShelf();
  const multiples = smallMultiples(cells, shelf);
  const experiment = seventyThirtySection(cells);
  const seeds = overSeeds(cells);
  const predictions = predictionTable(run, cells);
  const warnings = warningsSection(cells);
  const ranking = rankingSection(adviceOf(run));
  const body = html`<header class="top"><div class="wide">
<div class="eyebrow"><strong>onedrop</strong><span>${run.run.startedAt.slice(0, 16).replace('T', ' ')} UTC</span><span>run ${run.run.id}</span><span>seed ${run.run.seed}</span><button class="plain scripted" type="button" id="theme">Dark</button></div>
<h1>${question(run)}</h1>
<p class="answer">${badge(runVerdict(run))} ${answer(run)}</p>
${run.unplayed.map(({ id, why }) => html`<p class="finding">Unknown: ${id} was not played, ${why}.</p>`)}${run.remarks.map((remark) => html`<p class="finding">${remark}.</p>`)}
${different.map(
  (cell) =>
    html`<p class="finding">Measurement and prediction disagree for ${cellName(cell, cells)}: ${percent(cell.result.document.droppedShare)} measured, ${percent(cell.result.document.predicted?.droppedShare ?? 0)} predicted. That is a finding of its own: either the model or the measurement misses something.</p>`,
)}${seedGroups(cells)
  .filter(({ deviation }) => deviation?.agrees === false)
  .map(
    ({ name, deviation }) =>
      html`<p class="finding">Over its seeds, ${name} loses ${percent(Math.abs(deviation?.difference ?? 0))} of its clients ${(deviation?.difference ?? 0) > 0 ? 'more' : 'less'} than predicted: no one cell shows it, all of them together do.</p>`,
  )}${different.length > 0 && html`<p class="note">At 95 %, one comparison in twenty disagrees by chance; ${compared} ${compared === 1 ? 'was' : 'were'} made here.</p>`}
</div></header>
${navigation([
  ['verdicts', 'Verdicts'],
  warnings && ['warnings', 'Warnings'],
  ranking && ['ranking', 'Ranking'],
  predictions && ['predictions', 'Predictions'],
  ['comparison', 'Comparison'],
  seeds && ['seeds', 'Over seeds'],
  multiples && ['overview', 'Over time'],
  experiment && ['seventy-thirty', '70/30'],
  ['cells', 'Cell by cell'],
  ['ledger', 'Ledger'],
  ['method', 'How it was run'],
  ['innocence', 'Harness'],
  ['worth', 'Measured or modelled'],
  ['platforms', 'Models'],
])}
<main class="wide">
${verdictCards(cells)}
${warnings}
${ranking}
${predictions}
${comparisonTable(cells)}
${seeds}
${multiples}
${experiment}
${cellDetails(cells, shelf)}
${ledgerSection(cells)}
${howItWasRun(run, cells)}
${innocence(cells)}
${worth(cells)}
${platformsSection(cells)}
</main>
<footer class="wide">onedrop ${run.run.onedrop}, commit ${run.run.commit}. Charts: Chart.js (MIT). This page needs no network.</footer>`;
  return `<!DOCTYPE html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:">
<title>onedrop: ${question(run)}</title>
<style>${raw(page('style.css'))}</style>
<noscript><style>.scripted{display:none}</style></noscript>
</head>
<body>
${body}
${jsonScript('chart-data', shelf.data)}
${inlineScript(chartLibrary())}
${inlineScript(`(() => {\n${asScript(part('charts', 'chart-config.js'))}\n${asScript(part('words', 'plain-text.js'))}\n${page('page.js')}\n})();`)}
</body>
</html>`}\n`;
}

/** Our own style sheet, which holds no markup. */
const raw = (css: string) => html([css] as unknown as TemplateStringsArray);
