import type { Axes } from '../contracts/axes.ts';
import type { Provider, RolloutSeen } from '../contracts/cluster.ts';
import type { CellHeader, Event } from '../contracts/event.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { foretell } from '../run/foretell.ts';
import { impossible } from '../run/impossible.ts';
import type { PlannedCell } from '../run/plan.ts';
import { play } from '../run/play.ts';
import type { Millis } from '../time/duration.ts';

/** Which strategy of ours does what was seen to roll out: the first whose change was seen. */
const PLAYED_AS = [
  ['policy', 'policy-change'],
  ['selector', 'selector-flip'],
  ['template', 'rolling-update'],
] as const satisfies readonly (readonly [Extract<RolloutSeen, { edge: 'begin' }>['what'], string])[];

/** The strategy that plays what was seen; undefined where nothing was seen to roll out. */
const playedAs = (seen: readonly RolloutSeen[]): string | undefined =>
  PLAYED_AS.find(([what]) => seen.some((one) => one.edge === 'begin' && one.what === what))?.[1];

/**
 * Plays what was seen of somebody else's release on the simulator, with the cluster as it was found, and yields the
 * events of the prediction and what further seeds came to. Nothing where nobody knows what was released.
 */
export async function* foretellWatched(
  cell: CellHeader,
  seen: readonly RolloutSeen[],
  rollbackAfter: Millis | undefined,
  options: {
    readonly predictor: Provider;
    readonly strategies: Readonly<Record<string, Strategy>>;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Event> {
  const { predictor, strategies, signal } = options;
  const strategy = strategies[playedAs(seen) ?? ''];
  const axes: Axes = { ...cell.axes, rollbackAfter };
  if (strategy === undefined || signal.aborted || impossible(strategy, predictor, axes).length > 0) return;
  const planned: PlannedCell = { id: cell.id, strategy, provider: predictor, axes, seed: cell.seed };
  const events: Event[] = [];
  const asked = { name: 'watch', directory: '', signal };
  await play(planned, {
    ...asked,
    predicts: cell.id,
    record: (event) => void events.push(event),
    audience: { watch() {} },
  });
  yield* events;
  yield* foretell(planned, predictor, asked);
}
