import type { Advice } from '../harness/analyses/ranking/recommendation.ts';
import { aboutCells } from '../harness/analyses/warnings.ts';
import { adviceOf } from './result/advice.ts';
import { answer, disagreements, question, runVerdict } from './sections/answer.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { capacityLines } from './words/capacity-words.ts';
import { markdownText } from './words/markdown.ts';
import { oneLine } from './words/plain-text.js';
import { recommendedLines, showValue, situation, toldCases, toldCriteria } from './words/ranking-words.ts';
import {
  answeringCells,
  assumed,
  cellName,
  count,
  droppedInterval,
  droppedShare,
  percent,
  rate,
  skippedCells,
  time,
  warningsOf,
} from './words/words.ts';

const MARKS = { pass: '✅ pass', fail: '❌ fail', unknown: '❔ unknown' } as const;

/** A ranking as a table, what it recommends, and who could not be ranked. */
function rankingMarkdown(advice: Advice): string[] {
  const criteria = toldCriteria(advice.candidates);
  const head = ['release', ...criteria.map(({ title }) => title), 'requires'];
  const lines = advice.candidates.map(({ name, values, requires, dominatedBy }) => [
    `${dominatedBy.length === 0 ? '' : '(dominated) '}${markdownText(name)}`,
    ...criteria.map((one) => showValue(one, values[one.name].value)),
    requires.length === 0 ? 'nothing' : markdownText(requires.join('; ')),
  ]);
  const row = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  return [
    '',
    `### Which release to choose (${markdownText(advice.cluster)})`,
    '',
    row(head),
    row(head.map((_, index) => (index === 0 || index === head.length - 1 ? '---' : '---:'))),
    ...lines.map(row),
    '',
    markdownText(situation(advice)),
    '',
    ...toldCases(advice.recommendation).flatMap((each) =>
      recommendedLines(each).map(
        (sentence, index) => `${index === 0 ? '- ' : '  - '}${markdownText(sentence)}.`,
      ),
    ),
    ...(advice.unknown.length === 0 ? [] : ['']),
    ...advice.unknown.map(({ name, why }) => `- not ranked: ${markdownText(name)}: ${markdownText(why)}`),
  ];
}

/** The run in Markdown, for a step summary or a pull-request comment. */
export function summaryMarkdown(run: StoredRun): string {
  const cells = answeringCells(run);
  const predicted = cells.some(({ result }) => result.document.predicted !== undefined);
  const head = [
    'cell',
    'dropped',
    '95 % interval',
    'unattributed',
    ...(predicted ? ['predicted'] : []),
    'twice or more',
    'landed on old',
    'peak reconnects/s',
    'time away p95',
    'verdict',
  ];
  const lines = cells.map((cell) => {
    const { document } = cell.result;
    return [
      markdownText(cellName(cell, cells)),
      droppedShare(document),
      droppedInterval(document),
      count(document.unattributed),
      ...(predicted
        ? [
            document.predicted === undefined
              ? '–'
              : `${percent(document.predicted.droppedShare)} ${document.predicted.agrees ? 'agrees' : '**disagrees**'}`,
          ]
        : []),
      count(document.droppedTwice),
      count(document.landedOnOld),
      rate(document.peakReconnectsPerSecond),
      time(document.timeAway?.p95),
      MARKS[document.verdict],
    ];
  });
  const row = (fields: readonly string[]) => `| ${fields.join(' | ')} |`;
  const why = cells
    .filter(({ result }) => result.document.verdict !== 'pass')
    .map(
      (cell) =>
        `- **${markdownText(cellName(cell, cells))}**: ${cell.result.document.why.map(markdownText).join('; ')}`,
    );
  const different = disagreements(run).map(
    (cell) => `- Measurement and prediction disagree: **${markdownText(cellName(cell, cells))}**`,
  );
  const skipped = skippedCells(run).map(
    ({ header, skipped: reason }) => `- skipped ${markdownText(header.id)}: ${markdownText(reason)}`,
  );
  const unplayed = run.unplayed.map(
    ({ id, why: reason }) => `- **${markdownText(id)}**: unknown, not played: ${markdownText(reason)}`,
  );
  const taken = assumed(cells).map((sentence) => `- assumed: ${markdownText(sentence)}`);
  const warnings = warningsOf(cells).map((one) => {
    const about = aboutCells(one);
    return `- ⚠️ ${about === undefined ? '' : `**${markdownText(about)}**: `}${markdownText(one.warning)}`;
  });
  const bearing = capacityLines(cells).map((line) => `- ${markdownText(line)}`);
  const remarks = [...different, ...bearing, ...why, ...unplayed, ...skipped, ...warnings, ...taken];
  const { run: info } = run;
  return [
    `## onedrop: ${MARKS[runVerdict(run)]}`,
    '',
    `**${markdownText(question(run))}**`,
    '',
    markdownText(answer(run)),
    '',
    row(head),
    row(head.map((_, index) => (index === 0 || index === head.length - 1 ? '---' : '---:'))),
    ...lines.map(row),
    ...adviceOf(run).flatMap(rankingMarkdown),
    ...(remarks.length > 0 ? ['', ...remarks] : []),
    '',
    `Seed ${info.seed}, commit ${markdownText(info.commit)}, ${markdownText(info.machine)}. Again: \`${oneLine(info.command).replaceAll('`', "'")}\``,
    '',
  ].join('\n');
}
