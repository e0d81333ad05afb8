import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareDocuments } from '../../reports/compare/compare.ts';
import { comparisonHtml } from '../../reports/compare/comparison-html.ts';
import { comparisonMarkdown } from '../../reports/compare/comparison-markdown.ts';
import { readDocuments } from '../../reports/compare/read-documents.ts';
import { visible } from '../../reports/words/plain-text.js';
import { UsageError } from '../errors.ts';
import { checkOut, oneOf } from './checks.ts';
import { EXIT, print } from './exit.ts';
import { runFolder } from './runs/runs.ts';
import { typedPath } from './typed-path.ts';

/** `onedrop compare`: compares two runs, or two folders of runs. */
export async function compare(
  baseline: string,
  candidate: string,
  options: { out?: string; format: string },
): Promise<void> {
  const mistakes: string[] = [];
  oneOf('format', options.format, ['markdown', 'json'], mistakes);
  checkOut(options.out, mistakes, (entry) => /^comparison\.(html|md|json)$/.test(entry));
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const names = { baseline, candidate };
  const before = await readDocuments(runFolder(baseline));
  const after = await readDocuments(runFolder(candidate));
  const comparison = compareDocuments(before, after);
  const markdown = comparisonMarkdown(comparison, names);
  if (options.out !== undefined) {
    const out = typedPath(options.out);
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'comparison.html'), comparisonHtml(comparison, names));
    writeFileSync(join(out, 'comparison.md'), markdown);
    writeFileSync(join(out, 'comparison.json'), `${visible(JSON.stringify(comparison, null, 1))}\n`);
  }
  print(options.format === 'json' ? JSON.stringify(comparison, null, 2) : markdown);
  process.exitCode = EXIT[comparison.verdict];
}
