import { markdownText } from '../words/markdown.ts';
import type { Comparison, MetricComparison } from './compare.ts';
import { cellTitle, differenceText } from './comparison-words.ts';
import { METRICS } from './thresholds.ts';

const MARKS = { pass: '✅', fail: '❌', unknown: '❔' } as const;
const CHANGES = {
  worse: '❌ worse',
  better: '✅ better',
  same: 'same',
  'not enough runs': '❔ not enough runs',
} as const;

/** The comparison as a Markdown table; metrics that did not change are left out where something did. */
export function comparisonMarkdown(
  comparison: Comparison,
  names: { baseline: string; candidate: string },
): string {
  const rows = comparison.cells.flatMap((cell) => cell.metrics.map((metric) => ({ cell, metric })));
  const telling = rows.filter(({ metric }) => metric.change !== 'same');
  const shown = telling.length > 0 ? telling : rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const value = (metric: MetricComparison, side: 'baseline' | 'candidate') =>
    Number.isNaN(metric[side]) ? '–' : METRICS[metric.metric].show(metric[side]);
  return [
    `## onedrop comparison: ${MARKS[comparison.verdict]} ${comparison.verdict}`,
    '',
    `${markdownText(names.baseline)} (baseline) against ${markdownText(names.candidate)}: ${comparison.why.map(markdownText).join('; ')}.`,
    '',
    line(['cell', 'metric', 'baseline', 'candidate', 'difference (95 %)', 'change']),
    line(['---', '---', '---:', '---:', '---:', '---']),
    ...shown.map(({ cell, metric }) =>
      line([
        markdownText(cellTitle(cell, comparison)),
        METRICS[metric.metric].title,
        value(metric, 'baseline'),
        value(metric, 'candidate'),
        differenceText(metric),
        CHANGES[metric.change],
      ]),
    ),
    ...(shown.length < rows.length
      ? ['', `${rows.length - shown.length} metrics are the same and not shown.`]
      : []),
    ...(comparison.added.length > 0
      ? ['', `New cells: ${comparison.added.map(markdownText).join(', ')}`]
      : []),
    '',
  ].join('\n');
}
