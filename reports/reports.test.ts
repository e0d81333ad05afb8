import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HtmlValidate } from 'html-validate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { testCell, testLog } from '../harness/analyses/test-log.ts';
import type { Event } from '../harness/contracts/event.ts';
import { junitXml } from './junit.ts';
import { ledgerCsv } from './ledger-csv.ts';
import { html, jsonScript } from './page/html.ts';
import { renderReport } from './report.ts';
import { reportJson } from './report-json.ts';
import { resultDocument } from './result/result-document.ts';
import { answer, question } from './sections/answer.ts';
import { ledgerData, MOST_ROWS, sampleRows } from './sections/ledger-section.ts';
import { representatives, seedGroups } from './sections/over-seeds.ts';
import { compressLog } from './stored/compress-log.ts';
import { isAnalysed, readRun } from './stored/stored-run.ts';
import { comparisonRun, HOSTILE, testRun } from './stored/test-run.ts';
import { summaryMarkdown } from './summary.ts';
import { resultTable } from './terminal.ts';
import { answeringCells } from './words/words.ts';
import { writeReports } from './write-reports.ts';

const hostileRun = () =>
  testRun(
    [
      [
        {
          id: HOSTILE,
          strategy: HOSTILE,
          question: HOSTILE,
          cluster: HOSTILE,
          facts: { [HOSTILE]: HOSTILE },
          warnings: [HOSTILE, `\u001b[2J${HOSTILE}`],
          axes: { clients: 20 },
        },
        'fail-open',
      ],
      [{ id: `${HOSTILE}2`, strategy: HOSTILE, axes: { clients: 20 } }, 'skipped'],
    ],
    { command: HOSTILE, machine: HOSTILE, commit: HOSTILE },
  );

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onedrop-reports-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A run's folder as the harness leaves it. */
function store(name: string, events: readonly Event[], { gzip = false, cut = '' } = {}) {
  const directory = mkdtempSync(join(folder, name));
  const text = `${events.map((event) => JSON.stringify(event)).join('\n')}\n${cut}`;
  writeFileSync(join(directory, `events.jsonl${gzip ? '.gz' : ''}`), gzip ? gzipSync(text) : text);
  writeFileSync(join(directory, 'run.json'), JSON.stringify(comparisonRun(10).run));
  return directory;
}
const header: Event = { type: 'run', schema: 1, seed: 1, commit: 'c', versions: {} };
const cell = testCell({ axes: { clients: 50 } });
const events: Event[] = [header, { type: 'cell', cell }, ...testLog(cell, 'fail-open')];

describe('a stored run', () => {
  test('is read line by line, compressed or not, to the same result', async () => {
    const plain = await readRun(store('plain', events));
    const packed = await readRun(store('packed', events, { gzip: true }));
    expect(resultDocument(plain)).toEqual(resultDocument(packed));
    expect(resultDocument(plain).cells[0]?.dropped).toBeGreaterThan(20);
  });

  test('is compressed when its log is large, and read as before', async () => {
    const directory = store('large', events);
    const before = resultDocument(await readRun(directory));
    expect(await compressLog(directory, 1e9)).toMatch(/events\.jsonl$/);
    expect(await compressLog(directory, 1000)).toMatch(/events\.jsonl\.gz$/);
    expect(await compressLog(directory, 1000)).toMatch(/events\.jsonl\.gz$/);
    expect(readdirSync(directory).sort()).toEqual(['events.jsonl.gz', 'run.json']);
    expect(resultDocument(await readRun(directory))).toEqual(before);
  });

  test('renders to the same bytes again and again', async () => {
    const directory = store('bytes', events);
    const out = [mkdtempSync(join(folder, 'a')), mkdtempSync(join(folder, 'b'))] as const;
    for (const place of out) await writeReports(await readRun(directory), place);
    for (const name of ['report.html', 'report.json', 'summary.md', 'junit.xml', 'ledger.csv'])
      expect(readFileSync(join(out[0], name))).toEqual(readFileSync(join(out[1], name)));
  });

  test('whose last line breaks off is read up to there, and says so', async () => {
    const run = await readRun(store('cut', events.slice(0, -1), { cut: '{"at":12,"ty' }));
    expect(run.remarks).toEqual([
      expect.stringMatching(/^the log breaks off in line \d+, which was left out$/),
    ]);
    expect(resultDocument(run).verdict).toBe('unknown');
  });

  test('that is damaged in the middle, missing or too new is refused with what to do', async () => {
    const damaged = store('damaged', [header], { cut: '{"at":1,\n{"at":2}\n' });
    await expect(readRun(damaged)).rejects.toThrow(/line 2 of the event log is not JSON/);
    await expect(readRun(folder)).rejects.toThrow(/holds no run/);
    await expect(readRun(store('new', [{ ...header, schema: 99 }]))).rejects.toThrow(/use a newer onedrop/);
    await expect(readRun(store('headless', events.slice(1)))).rejects.toThrow(
      /does not begin with a line of type "run"/,
    );
  });
});

describe('the result', () => {
  test('sets the prediction beside the measured cell and does not count it as one of its own', () => {
    const document = resultDocument(comparisonRun());
    expect(document.cells.map(({ id }) => id)).toEqual(['rolling-update', 'selector-flip', 'seventy-thirty']);
    expect(document.cells[2]?.predicted?.agrees).toBe(true);
    expect(document.skipped).toEqual([{ id: 'service-mesh', why: 'the cluster does not offer it' }]);
    expect(document.verdict).toBe('fail');
  });

  test('has the fields that are promised', () => {
    const [document] = resultDocument(comparisonRun()).cells;
    for (const field of [
      'strategy',
      'cluster',
      'axes',
      'clients',
      'dropped',
      'droppedShare',
      'interval',
      'droppedTwice',
      'landedOnOld',
      'unattributed',
      'firstDropMillis',
      'silent',
      'reset',
      'healed',
      'peakReconnectsPerSecond',
      'timeAway',
      'verdict',
      'why',
    ])
      expect(document).toHaveProperty(field);
  });

  test('is answered in one sentence, strategy by strategy', () => {
    const run = comparisonRun();
    expect(question(run)).toMatch(/^Which of these release strategies/);
    expect(answer(run)).toBe('selector-flip passes; rolling-update and seventy-thirty fail.');
    const [cell] = answeringCells(testRun([[{ axes: { clients: 100 } }, 'fail-open']]));
    expect(cell && answer(testRun([[{ axes: { clients: 100 } }, 'fail-open']]))).toMatch(
      /^\d+ % of 100 clients lost their connection \(95 % interval .*\), all of them silently\.$|^\d+\.\d % of 100/,
    );
  });

  test('of no cell is unknown and says so', () => {
    const run = testRun([[{}, 'skipped']]);
    expect(resultDocument(run).verdict).toBe('unknown');
    expect(answer(run)).toBe('No cell was played, so there is no answer.');
    expect(renderReport(run)).toContain('the cluster does not offer it');
  });

  test('on a terminal is a table, then the reasons', () => {
    const table = resultTable(comparisonRun());
    expect(table).toMatch(/^strategy +cluster +policy +.*verdict\n/);
    expect(table).toMatch(/\nservice-mesh: skipped: the cluster does not offer it$/m);
  });
});

describe('report.html', () => {
  const validator = new HtmlValidate({
    extends: ['html-validate:recommended'],
    rules: {
      // Our own attributes are quoted and closed; these are matters of taste or of Chart.js inside.
      'no-inline-style': 'off',
      'long-title': 'off',
      'no-trailing-whitespace': 'off',
      'require-sri': 'off',
      'tel-non-breaking': 'off',
    },
  });

  test.each([
    ['a comparison', comparisonRun],
    ['hostile text', hostileRun],
  ])('is valid HTML with %s', async (_name, run) => {
    const report = await validator.validateString(renderReport(run()));
    const messages = report.results.flatMap(({ messages }) =>
      messages.map(({ line, ruleId, message }) => `${line}: ${ruleId}: ${message}`),
    );
    expect(messages.slice(0, 20)).toEqual([]);
  });

  test('lets no text from outside become markup', () => {
    const page = renderReport(hostileRun());
    expect(page).not.toContain('<img');
    expect(page).not.toContain('<blink>');
    // Exactly our own scripts: two blocks of data, the library and the page's own.
    expect(page.match(/<\/script/g)).toHaveLength(4);
  });

  test('sets what was predicted beside what was measured', () => {
    const page = renderReport(comparisonRun());
    expect(page).toContain('Predicted beside measured');
    expect(page).toMatch(/measured on netns<\/td>[\s\S]*?<td>predicted<\/td>/);
    expect(renderReport(testRun([[{ axes: { clients: 20 } }, 'calm']]))).not.toContain('Predicted beside');
  });

  test('says whose doing the timings are, where the cluster tells', () => {
    const facts = { timings: "the cluster's own are <kubelet>" };
    const page = renderReport(testRun([[{ cluster: 'kind', facts }, 'calm']]));
    expect(page).toMatch(
      /<dt>timings on kind<\/dt><dd>the cluster(&#39;|'|&#x27;)s own are &lt;kubelet&gt;<\/dd>/,
    );
    expect(renderReport(testRun([[{}, 'calm']]))).not.toContain('timings on');
  });

  test('needs no network', () => {
    const page = renderReport(comparisonRun());
    const own = page.replace(/<script>[\s\S]*?<\/script>/g, '');
    expect(own).not.toMatch(/(src|href)="(?!#)/);
    expect(own).not.toMatch(/url\(|@import/);
  });

  test('stays under 3 MB with 10,000 clients, and says what it left out', () => {
    const run = testRun(
      ['Cluster', 'Local'].map((policy, index) => [
        {
          id: `cell-${index}`,
          strategy: 'rolling-update',
          axes: { clients: 10_000, pods: 5, policy: policy as 'Local' },
        },
        'rolling',
      ]),
    );
    const page = renderReport(run);
    expect(page.length).toBeLessThan(3_000_000);
    expect(page).toMatch(/a sample of 1,500 of [\d,]+ rows/);
  });

  test('draws charts of what the log says, thinned out', () => {
    const [cell] = answeringCells(testRun([[{ axes: { clients: 60, pods: 1 } }, 'paced']]));
    if (cell === undefined) throw new Error('the cell is missing');
    const { connections, perSecond } = reportJson({ ...comparisonRun(10), cells: [cell] })
      .cells[0] as never as {
      connections: Record<string, number[]>;
      perSecond: Record<string, number[]>;
    };
    const points = connections.secondsSinceRelease?.length ?? 0;
    expect(points).toBeLessThanOrEqual(240);
    for (let point = 0; point < points; point++) {
      const all = ['on v1', 'on v2', 'away'].map((label) => connections[label]?.[point] ?? Number.NaN);
      expect(all.reduce((sum, value) => sum + value)).toBe(60);
    }
    expect(Math.max(...(perSecond.reconnects ?? []))).toBe(cell.result.document.peakReconnectsPerSecond);
  });
});

describe('cells that differ in nothing but their seed', () => {
  const seeded = (count: number) =>
    testRun(
      Array.from({ length: count }, (_, seed) => [
        [
          { id: `m${seed}@sim`, predicts: `m${seed}`, seed: seed + 1, axes: { clients: 300, nodes: 3 } },
          'fail-open',
        ],
        [
          {
            id: `m${seed}`,
            seed: seed + 50,
            cluster: 'netns',
            evidence: 'measured',
            speed: 1,
            axes: { clients: 300, nodes: 3 },
          },
          'fail-open',
        ],
      ]).flat() as never,
    );

  test('are told together, with one card and one picture', () => {
    const cells = answeringCells(seeded(4));
    expect(seedGroups(cells)).toMatchObject([{ name: 'seventy-thirty' }]);
    expect(representatives(cells)).toEqual([cells[0]]);
    const page = renderReport(seeded(4));
    expect(page).toContain('Over all seeds');
    expect(page.match(/<article class="card">/g)).toHaveLength(1);
  });

  test('show a deviation from the prediction that no single cell shows', () => {
    const cells = answeringCells(seeded(6)).map((cell) => {
      const { document } = cell.result;
      const droppedShare = document.droppedShare - 0.03;
      const range: [number, number] = [droppedShare, droppedShare];
      const predicted = { droppedShare, range, samples: [], agrees: true };
      return { ...cell, result: { ...cell.result, document: { ...document, predicted } } };
    });
    expect(seedGroups(cells)[0]?.deviation).toMatchObject({ agrees: false });
    expect(seedGroups(cells)[0]?.deviation?.difference).toBeCloseTo(0.03, 9);
  });

  test('are not gathered where there are fewer than three', () => {
    expect(seedGroups(answeringCells(seeded(2)))).toEqual([]);
  });
});

describe('the 70/30 section', () => {
  /** What the page says of each hypothesis, in the order of its table. */
  const outcomes = (axes: Parameters<typeof testRun>[0][number][0], story: 'fail-open' | 'calm') => {
    const page = renderReport(testRun([[axes, story]]));
    const table = page.slice(page.indexOf('Hypotheses, and which'), page.indexOf('Check your own cluster'));
    return [...table.matchAll(/<td><span class="badge \w+">([\w ]+)<\/span>/g)].map(([, outcome]) => outcome);
  };

  test.each([2, 3, 6])('finds the fingerprints of the balancer failing open at %i nodes', (nodes) => {
    expect(outcomes({ axes: { clients: 1000, nodes } }, 'fail-open')).toEqual([
      'fits',
      'not tested',
      'not tested',
      'not tested',
      'not tested',
    ]);
  });

  test('lets what was seen contradict the hypothesis whose setting it was', () => {
    const seen = { axes: { clients: 300, policy: 'Cluster' } } as const;
    expect(outcomes(seen, 'calm')).toEqual([
      'not tested',
      'not tested',
      'not tested',
      'not tested',
      'contradicted',
    ]);
    expect(outcomes({ axes: { clients: 300, proxy: 'cilium-1.12' } }, 'fail-open')[3]).toBe('contradicted');
    expect(outcomes({ axes: { clients: 300, nodes: 3 } }, 'calm')[0]).toBe('contradicted');
  });
});

test('drops without a cause are told wherever drops are: terminal, summary, card and cell', () => {
  const run = testRun([[{ evidence: 'measured', axes: { clients: 100 } }, 'calm']]);
  const [cell] = answeringCells(run);
  if (cell === undefined) throw new Error('the cell is missing');
  Object.assign(cell.result.document, { dropped: 73, unattributed: 71 });
  expect(resultTable(run).split('\n').slice(0, 2)).toEqual([
    expect.stringContaining('unattributed'),
    expect.stringContaining(' 71 '),
  ]);
  const summary = summaryMarkdown(run);
  expect(summary).toContain('| unattributed |');
  expect(summary).toContain('| 71 |');
  const page = renderReport(run);
  expect(page).toContain('<dt>dropped without a known cause (unattributed)</dt><dd class="bad">71</dd>');
  expect(page).toContain('71 unattributed</span></summary>');
});

describe('the ledger', () => {
  test('in the page is a sample in order, those without a cause first', () => {
    const [cell] = answeringCells(testRun([[{ axes: { clients: 500, pods: 2 } }, 'rolling']]));
    if (cell === undefined) throw new Error('the cell is missing');
    const rows = cell.result.ledger.rows.map((row, index) =>
      index % 100 === 7 ? { ...row, cause: 'unattributed' as const } : row,
    );
    const sample = sampleRows(rows, 50);
    expect(sample).toHaveLength(50);
    expect(sample.filter(({ cause }) => cause === 'unattributed')).toHaveLength(
      rows.filter(({ cause }) => cause === 'unattributed').length,
    );
    expect([...sample].sort((a, b) => a.detected - b.detected)).toEqual(sample);
    expect(ledgerData([cell]).rows.length).toBeLessThanOrEqual(MOST_ROWS);
  });

  test('as CSV has a line for every disconnect, and nothing a spreadsheet would execute', () => {
    const run = hostileRun();
    const lines = [...ledgerCsv(run)];
    const cell = run.cells.find(isAnalysed);
    expect(lines).toHaveLength(1 + (cell?.result.ledger.rows.length ?? -1));
    const formula = testRun([[{ id: '=cmd()', axes: { clients: 20 } }, 'fail-open']]);
    expect([...ledgerCsv(formula)][1]).toMatch(/^'=cmd\(\),/);
  });
});

describe('other reports', () => {
  const schema = readFileSync(join(import.meta.dirname, 'junit.xsd'), 'utf8');

  test.each([
    ['a comparison', comparisonRun],
    ['hostile text', hostileRun],
  ])('junit.xml keeps to its schema with %s', async (_name, run) => {
    const checked = await validateXML({
      xml: [{ fileName: 'junit.xml', contents: junitXml(run()) }],
      schema: [schema],
    });
    expect(checked.errors.map(({ message }) => message)).toEqual([]);
    expect(checked.valid).toBe(true);
  });

  test('summary.md keeps its table whole, whatever a name holds', () => {
    const summary = summaryMarkdown(testRun([[{ strategy: 'a|b\n<i>@all', axes: { clients: 20 } }, 'calm']]));
    expect(summary).toContain('| a\\|b &lt;i\\>\\@all |');
    expect(summary).not.toContain('<i>');
  });

  test('a template escapes every value and data cannot end its script', () => {
    expect(`${html`<p title="${'"<&'}">${['<', html`<b>x</b>`, null, false, 0]}</p>`}`).toBe(
      '<p title="&quot;&lt;&amp;">&lt;<b>x</b>0</p>',
    );
    expect(`${jsonScript('x', '</script>')}`).toBe(
      '<script type="application/json" id="x">"\\u003c/script>"</script>',
    );
  });
});

test('what makes a result meaningless or surprising stands in every report, once, with the cells that it is about', () => {
  const both = 'The drain is cut off.';
  const run = testRun([
    [{ id: 'a', strategy: 'a', warnings: [both] }, 'calm'],
    [{ id: 'b', strategy: 'b', warnings: [both, '--ask changes nothing in this cell.'] }, 'calm'],
  ]);
  expect(resultDocument(run).cells.map(({ warnings }) => warnings)).toEqual([
    [both],
    [both, '--ask changes nothing in this cell.'],
  ]);
  expect(resultTable(run)).toContain(
    '\nwarning: The drain is cut off.\nwarning: b: --ask changes nothing in this cell.',
  );
  expect(summaryMarkdown(run)).toContain('- ⚠️ The drain is cut off.\n- ⚠️ **b**: --ask changes nothing');
  const page = renderReport(run);
  expect(page).toContain('<a href="#warnings">Warnings</a>');
  expect(page).toContain('<li>The drain is cut off.</li>');
  expect(page).toContain('<li><strong>b</strong>: --ask changes nothing in this cell.</li>');
});

test('a run without warnings says nothing of any', () => {
  const run = comparisonRun(20);
  for (const text of [renderReport(run), summaryMarkdown(run), resultTable(run)])
    expect(text).not.toMatch(/id="warnings"|⚠️|^warning:/m);
});

test('a warning out of a log cannot steer the terminal', () => {
  expect(resultTable(hostileRun())).not.toContain('\u001b');
});
