import { escapeHtml } from './page/html.ts';
import type { StoredRun } from './stored/stored-run.ts';
import { answeringCells, skippedCells } from './words/words.ts';

/**
 * The run as JUnit XML: one test suite a cell, one test case a criterion. Failed is a failure; unknown is an
 * error, for nothing was shown; a skipped cell is one skipped case.
 */
export function junitXml(run: StoredRun): string {
  const timestamp = run.run.startedAt.slice(0, 19);
  const suites: string[] = [];
  let [tests, failures, errors] = [0, 0, 0];
  for (const { header, result } of answeringCells(run)) {
    const failed = result.criteria.filter(({ outcome }) => outcome === 'fail').length;
    const unknown = result.criteria.filter(({ outcome }) => outcome === 'unknown').length;
    tests += result.criteria.length;
    failures += failed;
    errors += unknown;
    const seconds = (result.fleet.end / 1000).toFixed(3);
    const cases = result.criteria.map(({ name, outcome, says }) => {
      const attributes = `name="${escapeHtml(name)}" classname="${escapeHtml(header.id)}" time="0"`;
      if (outcome === 'pass') return `    <testcase ${attributes}/>`;
      const tag = outcome === 'fail' ? 'failure' : 'error';
      return `    <testcase ${attributes}>\n      <${tag} message="${escapeHtml(says)}" type="${outcome}"/>\n    </testcase>`;
    });
    suites.push(
      `  <testsuite name="${escapeHtml(header.id)}" tests="${result.criteria.length}" failures="${failed}" errors="${unknown}" skipped="0" time="${seconds}" timestamp="${escapeHtml(timestamp)}" hostname="localhost">\n${cases.join('\n')}\n  </testsuite>`,
    );
  }
  for (const { id, why } of run.unplayed) {
    tests++;
    errors++;
    suites.push(
      `  <testsuite name="${escapeHtml(id)}" tests="1" failures="0" errors="1" skipped="0" time="0" timestamp="${escapeHtml(timestamp)}" hostname="localhost">\n    <testcase name="played" classname="${escapeHtml(id)}" time="0">\n      <error message="${escapeHtml(`not played: ${why}`)}" type="unknown"/>\n    </testcase>\n  </testsuite>`,
    );
  }
  for (const { header, skipped } of skippedCells(run)) {
    tests++;
    suites.push(
      `  <testsuite name="${escapeHtml(header.id)}" tests="1" failures="0" errors="0" skipped="1" time="0" timestamp="${escapeHtml(timestamp)}" hostname="localhost">\n    <testcase name="played" classname="${escapeHtml(header.id)}" time="0">\n      <skipped message="${escapeHtml(skipped)}"/>\n    </testcase>\n  </testsuite>`,
    );
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="onedrop" tests="${tests}" failures="${failures}" errors="${errors}">\n${suites.join('\n')}\n</testsuites>\n`;
}
