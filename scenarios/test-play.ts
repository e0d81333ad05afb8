import { tmpdir } from 'node:os';
import { sim } from '../clusters/sim/sim.ts';
import { analyze, type CellResult } from '../harness/analyses/analyze.ts';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { CellHeader, Event, Timed } from '../harness/contracts/event.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { planCells } from '../harness/run/plan.ts';
import { play } from '../harness/run/play.ts';

/** For tests: one cell of a strategy, played on the simulator and analysed; the events come along. */
export async function playOnSim(
  strategy: Strategy,
  texts: AxisTexts,
  seed = 1,
): Promise<CellResult & { readonly events: readonly Timed[] }> {
  const [cell] = planCells({ strategies: [strategy], providers: [sim], texts, seed, repeat: 1 });
  if (cell === undefined || cell.skip !== undefined) throw new Error(cell?.skip ?? 'no cell');
  const events: Timed[] = [];
  let header: CellHeader | undefined;
  await play(cell, {
    name: 'test',
    // Where a broken cell's state goes, for people.
    directory: tmpdir(),
    signal: new AbortController().signal,
    record(event: Event) {
      if (event.type === 'cell') header = event.cell;
      else if ('at' in event) events.push(event);
    },
    audience: { watch() {} },
  });
  return { ...analyze(header as CellHeader, events), events };
}
