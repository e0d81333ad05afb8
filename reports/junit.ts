import { escapeHtml } from './html.ts';
import type { StoredRun } from './stored-run.ts';
import { answeringCells, skippedCells } from './words.ts';

/** XML 1.0 has no way to write most control characters or half a surrogate pair, escaped or not. */
const clean = (text: string) =>
  escapeHtml(text.replace(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd'));

/**
 * The run as JUnit XML: one test suite a cell, one test case a criterion. Failed is a failure; unknown is an
 * error, for nothing was shown; a skipped cell is one skipped case.
 */
export function junitXml(run: StoredRun): string {
  const timestamp = run.run.startedAt.slice(0, 19);
  const suites: string[] = [];
  let [tests, failures, errors, skips] = [0, 0, 0, 0];
  for (const { header, result } of answeringCells(run)) {
    const failed = result.criteria.filter(({ outcome }) => outcome === 'fail').length;
    const unknown = result.criteria.filter(({ outcome }) => outcome === 'unknown').length;
    tests += result.criteria.length;
    failures += failed;
    errors += unknown;
    const seconds = (result.fleet.end / 1000).toFixed(3);
    const cases = result.criteria.map(({ name, outcome, says }) => {
      const attributes = `name="${clean(name)}" classname="${clean(header.id)}" time="0"`;
      if (outcome === 'pass') return `    <testcase ${attributes}/>`;
      const tag = outcome === 'fail' ? 'failure' : 'error';
      return `    <testcase ${attributes}>\n      <${tag} message="${clean(says)}" type="${outcome}"/>\n    </testcase>`;
    });
    suites.push(
      `  <testsuite name="${clean(header.id)}" tests="${result.criteria.length}" failures="${failed}" errors="${unknown}" skipped="0" time="${seconds}" timestamp="${clean(timestamp)}" hostname="localhost">\n${cases.join('\n')}\n  </testsuite>`,
    );
  }
  for (const { header, skipped } of skippedCells(run)) {
    tests++;
    skips++;
    suites.push(
      `  <testsuite name="${clean(header.id)}" tests="1" failures="0" errors="0" skipped="1" time="0" timestamp="${clean(timestamp)}" hostname="localhost">\n    <testcase name="played" classname="${clean(header.id)}" time="0">\n      <skipped message="${clean(skipped)}"/>\n    </testcase>\n  </testsuite>`,
    );
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="onedrop" tests="${tests}" failures="${failures}" errors="${errors}" skipped="${skips}">\n${suites.join('\n')}\n</testsuites>\n`;
}
