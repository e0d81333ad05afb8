import { CAUSES } from '../harness/analyses/ledger/causes.ts';
import type { LedgerRow } from '../harness/analyses/ledger/ledger.ts';
import type { AnalysedCell, StoredRun } from './stored/stored-run.ts';
import { csvField } from './words/plain-text.js';
import { answeringCells } from './words/words.ts';

const COLUMNS = [
  'cell',
  'client',
  'nth',
  'cause',
  'inferred',
  'collateral',
  'showed',
  'lost_ms',
  'detected_ms',
  'away_ms',
  'returned',
  'attempts',
  'pod_before',
  'version_before',
  'node_before',
  'pod_after',
  'version_after',
  'node_after',
  'packet',
  'packet_ms',
  'packet_node',
  'packet_rule',
  'chain',
] as const;

function line(cell: AnalysedCell, row: LedgerRow): string {
  return [
    cell.header.id,
    row.client,
    row.nth,
    CAUSES[row.cause].title,
    row.inferred,
    row.collateral,
    row.showed,
    row.lost,
    row.detected,
    row.away,
    row.returned,
    row.attempts,
    row.podBefore,
    row.versionBefore,
    row.nodeBefore,
    row.podAfter,
    row.versionAfter,
    row.nodeAfter,
    row.fate?.verdict ?? '',
    row.fate?.at ?? '',
    row.fate?.node ?? '',
    row.fate?.rule ?? '',
    row.chain,
  ]
    .map(csvField)
    .join(',');
}

/**
 * The whole ledger of a run, line by line without line ends: one disconnect each, every cell after the other. `chain`
 * is the number of the cell's chain in report.json; `packet` what became of the first packet that was not delivered.
 */
export function* ledgerCsv(run: StoredRun): Generator<string> {
  yield COLUMNS.join(',');
  for (const cell of answeringCells(run)) for (const row of cell.result.ledger.rows) yield line(cell, row);
}
