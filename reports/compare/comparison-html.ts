import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Html, html } from '../page/html.ts';
import { badge } from '../sections/parts.ts';
import { count, percent } from '../words/words.ts';
import type { Change, Comparison, MetricComparison } from './compare.ts';
import { cellTitle, differenceText } from './comparison-words.ts';
import type { LeftOut } from './left-out.ts';
import { FALSE_ALARMS, METRICS, MOST_LEFT_OUT } from './thresholds.ts';

const LOOKS: Record<Change, string> = {
  worse: 'fail',
  better: 'pass',
  same: 'plain',
  'not enough runs': 'unknown',
};

const leftOutRuns = ({ unknown, lacking }: LeftOut) => unknown + lacking;

/** The interval of the difference around 0, with what is tolerated marked. */
function plot({ difference, interval: [low, high], tolerated }: MetricComparison): Html | undefined {
  if (Number.isNaN(difference)) return undefined;
  const reach = 1.15 * Math.max(Math.abs(low), Math.abs(high), tolerated, 1e-9);
  const at = (value: number) => `${(50 + (50 * value) / reach).toFixed(2)}%`;
  const width = `${((50 * (high - low)) / reach).toFixed(2)}%`;
  return html`<div class="range" aria-hidden="true"><i class="tolerated" style="left:${at(-tolerated)};width:${((100 * tolerated) / reach).toFixed(2)}%"></i><i class="measured" style="left:${at(low)};width:${width}"></i><i class="point" style="left:${at(difference)}"></i><i class="foretold" style="left:50%"></i></div>`;
}

function row(metric: MetricComparison, title: string): Html {
  const { show, title: name } = METRICS[metric.metric];
  const value = (number: number) => (Number.isNaN(number) ? '–' : show(number));
  return html`<tr><th scope="row">${title}</th><td>${name}</td><td class="number">${value(metric.baseline)}</td><td class="number">${value(metric.candidate)}</td><td class="number">${differenceText(metric)}</td><td class="plot">${plot(metric)}</td><td class="number">${metric.probability < 0.0001 ? '< 0.0001' : metric.probability.toFixed(4)}</td><td><span class="badge ${LOOKS[metric.change]}">${metric.change}</span></td></tr>`;
}

/** The comparison as one self-contained page, without scripts. */
export function comparisonHtml(
  comparison: Comparison,
  names: { baseline: string; candidate: string },
): string {
  const { cells, verdict, why, missing, added } = comparison;
  const order: Change[] = ['worse', 'better', 'not enough runs', 'same'];
  const rows = cells
    .flatMap((cell) => cell.metrics.map((metric) => ({ metric, title: cellTitle(cell, comparison) })))
    .sort((a, b) => order.indexOf(a.metric.change) - order.indexOf(b.metric.change));
  const style = readFileSync(join(import.meta.dirname, '..', 'page', 'style.css'), 'utf8');
  const leftOut = cells.some(
    (cell) => leftOutRuns(cell.baselineLeftOut) + leftOutRuns(cell.candidateLeftOut) > 0,
  );
  return `<!DOCTYPE html>\n${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>onedrop comparison: ${verdict}</title>
<style>${html([style] as unknown as TemplateStringsArray)}</style>
</head>
<body>
<header class="top"><div class="wide">
<div class="eyebrow"><strong>onedrop</strong><span>comparison</span></div>
<h1>Has the candidate become worse than the baseline?</h1>
<p class="answer">${badge(verdict)} ${why.join('; ')}.</p>
<dl class="plain"><dt>baseline</dt><dd>${names.baseline}</dd><dt>candidate</dt><dd>${names.candidate}</dd></dl>
</div></header>
<main class="wide">
<h2>Cells</h2>
<section class="scroll" tabindex="0" aria-label="Cells"><table><thead><tr><th scope="col">cell</th><th scope="col">cluster</th><th scope="col" class="number">baseline runs</th><th scope="col" class="number">candidate runs</th><th scope="col" class="number">left out of each</th></tr></thead><tbody>${cells.map(
    (cell) =>
      html`<tr><th scope="row">${cellTitle(cell, comparison)}</th><td>${cell.cluster}</td><td class="number">${count(cell.baselineRuns)}</td><td class="number">${count(cell.candidateRuns)}</td><td class="number">${count(leftOutRuns(cell.baselineLeftOut))} / ${count(leftOutRuns(cell.candidateLeftOut))}</td></tr>`,
  )}</tbody></table></section>
${missing.length > 0 && html`<p class="finding">Only the baseline has: ${missing.join(', ')}.</p>`}
${added.length > 0 && html`<p class="note">Only the candidate has: ${added.join(', ')}.</p>`}
${leftOut && html`<p class="note">Runs left out: their verdict is unknown, so their figures prove nothing, or the other side has more. From ${percent(MOST_LEFT_OUT)} on of a cell the comparison is unknown, unless something is worse.</p>`}
<h2>Differences</h2>
<section class="scroll" tabindex="0" aria-label="Differences"><table><thead><tr><th scope="col">cell</th><th scope="col">metric</th><th scope="col" class="number">baseline</th><th scope="col" class="number">candidate</th><th scope="col" class="number">difference (95 %)</th><th scope="col">around 0</th><th scope="col" class="number">p of a rise</th><th scope="col">change</th></tr></thead><tbody>${rows.map(({ metric, title }) => row(metric, title))}</tbody></table></section>
<h2>How it is decided</h2>
<p>The unit is the run, not the client: clients of one run share its fate. A metric is worse when three things hold: its mean rises by more than is tolerated (the grey stretch), the bootstrap interval of the difference excludes 0, and the Mann-Whitney rank test over runs holds against the number of all tests in this comparison (Holm, ${percent(FALSE_ALARMS)} for all of them together). Where even complete separation of the runs could not hold against that number, the verdict is “not enough runs”.</p>
</main>
<footer class="wide">Thresholds: reports/compare/thresholds.ts. This page needs no network.</footer>
</body>
</html>`}\n`;
}
