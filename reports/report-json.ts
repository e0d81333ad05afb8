import { CAUSES } from '../harness/analyses/ledger/causes.ts';
import { describeChain } from '../harness/analyses/ledger/ledger.ts';
import { connectionsChart, disconnectsChart, reconnectsChart } from './charts/cell-charts.ts';
import { handshakesChart, processorsChart, queueChart } from './charts/load-charts.ts';
import { type ResultDocument, resultDocument } from './result/result-document.ts';
import type { AnalysedCell, StoredRun } from './stored/stored-run.ts';
import { answeringCells } from './words/words.ts';

/** A release of hundreds of pods has as many chains; the first ones stand for the rest. */
const MOST_CHAINS = 500;

/** What report.json adds to the stable document of each cell. */
function details(cell: AnalysedCell) {
  const { document, criteria, ledger, fleet, history, innocence, landings, rates } = cell.result;
  const causes = new Map<string, number>();
  for (const { cause } of ledger.rows) causes.set(cause, (causes.get(cause) ?? 0) + 1);
  const series = ({ x, series: all }: ReturnType<typeof connectionsChart>) => ({
    secondsSinceRelease: x,
    ...Object.fromEntries(all.map(({ label, values }) => [label, values])),
  });
  return {
    ...document,
    criteria,
    steps: history.steps,
    disconnectsPerClient: fleet.disconnectsPerClient,
    causes: [...causes].map(([cause, disconnects]) => ({
      cause,
      title: CAUSES[cause as keyof typeof CAUSES].title,
      disconnects,
    })),
    chains: ledger.chains.slice(0, MOST_CHAINS).map((chain, number) => ({
      number,
      cause: chain.cause,
      inferred: chain.inferred,
      disconnects: chain.rows,
      story: describeChain(chain),
    })),
    mostDroppedIn10Seconds: rates.mostDroppedIn10Seconds,
    landings: landings.landings,
    harness: innocence,
    facts: cell.header.facts,
    connections: series(connectionsChart(cell)),
    /** The busiest second of each interval. */
    perSecond: { ...series(disconnectsChart(cell)), ...series(reconnectsChart(cell)) },
    /** The same for handshakes at limited pods, how many wait, and the busiest pod's use of its processors in per cent. */
    ...(document.capacity === null
      ? {}
      : {
          load: {
            ...series(handshakesChart(cell)),
            ...series(queueChart(cell)),
            ...series(processorsChart(cell)),
          },
        }),
  };
}

/** The document behind report.json: the stable document, with details of each cell added. */
export function reportJson(run: StoredRun): ResultDocument & { readonly versions: unknown } {
  return {
    ...resultDocument(run),
    versions: run.header.versions,
    cells: answeringCells(run).map(details),
  };
}
