import { CAUSES } from '../../harness/analyses/ledger/causes.ts';
import { describeChain, describeLoss, type LedgerRow } from '../../harness/analyses/ledger/ledger.ts';
import { releaseBegin } from '../charts/chart-spec.ts';
import { type Html, html, jsonScript } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { cellName, count, plural } from '../words/words.ts';
import { seconds } from './parts.ts';

/** Rows in the page, over all cells; the whole ledger is the CSV beside it. */
export const MOST_ROWS = 1500;

const COLUMNS = [
  'cell',
  'client',
  'nth',
  'cause',
  'inferred',
  'collateral',
  'showed',
  'lost',
  'detected',
  'away',
  'returned',
  'attempts',
  'podBefore',
  'versionBefore',
  'nodeBefore',
  'podAfter',
  'versionAfter',
  'nodeAfter',
  'chain',
  'story',
] as const;

/** Columns whose texts repeat: rows hold an index into these words. */
const WORDY = [
  'cell',
  'cause',
  'showed',
  'podBefore',
  'versionBefore',
  'nodeBefore',
  'podAfter',
  'versionAfter',
  'nodeAfter',
] as const;

/** Up to `most` rows: those without a cause first, then evenly spread over the rest, in their own order. */
export function sampleRows(rows: readonly LedgerRow[], most: number): readonly LedgerRow[] {
  if (rows.length <= most) return rows;
  const chosen = new Set<LedgerRow>();
  for (const row of rows) if (row.cause === 'unattributed' && chosen.size < most) chosen.add(row);
  const stride = rows.length / Math.max(1, most - chosen.size);
  for (let place = 0; place < rows.length && chosen.size < most; place += stride)
    chosen.add(rows[Math.floor(place)] as LedgerRow);
  return rows.filter((row) => chosen.has(row));
}

/** The ledger's rows as compact data for the page's script. */
export function ledgerData(cells: readonly AnalysedCell[], most = MOST_ROWS) {
  const words = Object.fromEntries(WORDY.map((name) => [name, [] as string[]])) as Record<
    (typeof WORDY)[number],
    string[]
  >;
  const indices = Object.fromEntries(WORDY.map((name) => [name, new Map<string, number>()])) as Record<
    (typeof WORDY)[number],
    Map<string, number>
  >;
  const word = (name: (typeof WORDY)[number], text: string) => {
    let index = indices[name].get(text);
    if (index === undefined) {
      index = words[name].push(text) - 1;
      indices[name].set(text, index);
    }
    return index;
  };
  const chains: string[][] = [];
  const known = new Map<string, number>();
  const share = Math.max(10, Math.floor(most / Math.max(1, cells.length)));
  let total = 0;
  const rows = cells.flatMap((cell) => {
    const { ledger } = cell.result;
    const zero = releaseBegin(cell);
    total += ledger.rows.length;
    return sampleRows(ledger.rows, share).map((row) => {
      const chain = ledger.chains[row.chain];
      const story = chain === undefined ? [] : describeChain(chain);
      const key = story.join('\n');
      let index = known.get(key);
      if (index === undefined) {
        index = chains.push(story) - 1;
        known.set(key, index);
      }
      return [
        word('cell', cellName(cell, cells)),
        row.client,
        row.nth,
        word('cause', CAUSES[row.cause].title),
        row.inferred ? 1 : 0,
        row.collateral ? 1 : 0,
        word('showed', row.showed),
        seconds(row.lost - zero),
        seconds(row.detected - zero),
        seconds(row.away),
        row.returned ? 1 : 0,
        row.attempts,
        word('podBefore', row.podBefore),
        word('versionBefore', row.versionBefore),
        word('nodeBefore', row.nodeBefore),
        word('podAfter', row.podAfter),
        word('versionAfter', row.versionAfter),
        word('nodeAfter', row.nodeAfter),
        index,
        chain === undefined ? [] : describeLoss(row, chain),
      ];
    });
  });
  return { columns: COLUMNS, words, chains, rows, total };
}

const filter = (name: string, label: string) =>
  html`<label>${label}<select id="filter-${name}"><option value="">all</option></select></label>`;

/** One row a disconnect, with filters, the chain behind each, and a download. */
export function ledgerSection(cells: readonly AnalysedCell[]): Html {
  const data = ledgerData(cells);
  if (data.total === 0)
    return html`<section id="ledger"><h2>Ledger of disconnects</h2><p>No client lost its connection.</p></section>`;
  const sampled = data.rows.length < data.total;
  return html`<section id="ledger">
<h2>Ledger of disconnects</h2>
<noscript><p class="note">No script runs here, so the rows are not listed; ledger.csv beside this page holds them all.</p></noscript>
<p class="lead">One row for each disconnect: ${sampled ? `a sample of ${count(data.rows.length)} of ${plural(data.total, 'row')}, evenly spread, those without a cause first; ledger.csv beside this page holds all` : `all ${plural(data.total, 'row')}`}. Seconds count from the begin of the release; a connection is lost from its last sign of life on. Choose a client to read what led to its loss.</p>
<div class="filters scripted">${filter('cell', 'cell')}${filter('cause', 'cause')}${filter('version', 'version before')}${filter('node', 'node before')}<button class="plain" type="button" id="ledger-csv">Download as CSV</button>
<span class="pager"><span id="ledger-count" role="status"></span><button class="plain" type="button" id="ledger-back">Back</button><button class="plain" type="button" id="ledger-next">Next</button></span></div>
<section class="scroll scripted" tabindex="0" aria-label="Ledger of disconnects"><table id="ledger-table"><thead><tr><th scope="col">client</th><th scope="col">cause</th><th scope="col">showed as</th><th scope="col">pod before</th><th scope="col">pod after</th><th scope="col" class="number">lost</th><th scope="col" class="number">noticed</th><th scope="col" class="number">away</th><th scope="col" class="number">attempts</th></tr></thead><tbody></tbody></table></section>
${jsonScript('ledger-data', data)}
</section>`;
}
