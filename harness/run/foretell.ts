import { type CellAnalysis, cellAnalysis } from '../analyses/analyze.ts';
import { foretoldBy } from '../analyses/cell-document.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Event } from '../contracts/event.ts';
import type { PlannedCell } from './plan.ts';
import { type PlayOptions, play } from './play.ts';

/** A prediction is one sample of what the simulator expects; this many more show how much it varies between seeds. */
const MORE_SEEDS = 5;

/** Clients that may be played for that, all seeds together: what takes longer than a few seconds is not worth it. */
const MOST_CLIENTS = 60_000;

const NOBODY = { watch() {} };

/**
 * Plays the prediction of a measured cell with further seeds, beside the one that is logged whole, and yields what
 * each came to. Some cells vary far more between seeds than the number of their clients explains, for at another
 * phase of the health checks they take another course; a measured cell is one more such sample.
 */
export async function* foretell(
  cell: PlannedCell,
  predictor: Provider,
  options: Pick<PlayOptions, 'name' | 'directory' | 'signal'>,
): AsyncGenerator<Extract<Event, { type: 'foretold' }>> {
  const seeds = Math.min(MORE_SEEDS, Math.floor(MOST_CLIENTS / cell.axes.clients) - 1);
  for (let more = 1; more <= seeds && !options.signal.aborted; more++) {
    // Far from the seeds that `--repeat` plays.
    const seed = cell.seed + more * 1_000_003;
    let analysis: CellAnalysis | undefined;
    const { outcome } = await play(
      { ...cell, provider: predictor, seed },
      {
        ...options,
        audience: NOBODY,
        record(event) {
          if (event.type === 'cell') analysis = cellAnalysis(event.cell);
          else if ('at' in event) analysis?.fold(event);
        },
      },
    );
    if (outcome === 'finished' && analysis !== undefined)
      yield { type: 'foretold', cell: cell.id, ...foretoldBy(analysis.result().document) };
  }
}
