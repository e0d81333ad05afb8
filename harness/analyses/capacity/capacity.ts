import type { CellHeader } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { History } from '../history.ts';
import type { FallKind } from './falls.ts';
import { fallsOf } from './falls.ts';
import type { LoadResult } from './load.ts';

/**
 * `holds`: nobody who was let in waited longer than clients do, no probe failed, and everybody was back in time;
 * `recovers`: not so, but the service was itself again in time; `collapses`: it was not.
 */
type CapacityOutcome = 'holds' | 'recovers' | 'collapses';

/** What the return did to pods whose limits were given; since the release began, over all pods. Counts are attempts unless named otherwise. */
export interface CapacityDocument {
  readonly outcome: CapacityOutcome;
  /** From the end of the release (or rollback) until everybody was connected and nobody waited for more than a second, to the end of the cell; null when that never came. */
  readonly itselfAgainMillis: Millis | null;
  readonly offeredAttempts: number;
  readonly servedAttempts: number;
  /** Handshakes that were done for clients that had left meanwhile. */
  readonly staleAttempts: number;
  readonly timedOutAttempts: number;
  /** By admission control. */
  readonly refusedAttempts: number;
  /** SYNs, not attempts, that found a full accept queue. */
  readonly droppedSyns: number;
  readonly peakOfferedPerSecond: number;
  readonly peakServedPerSecond: number;
  readonly longestQueue: number;
  readonly longestWaitMillis: Millis;
  /** The largest share of its processors that a pod used in a second. */
  readonly busiestShare: number;
  /** Attempts for each disconnect, on average; null without any. */
  readonly attemptsPerReturn: number | null;
  readonly mostAttempts: number;
  /** Falls, not pods: out of the endpoints by a probe, restarted by one, or killed for memory. */
  readonly fallen: Readonly<Record<FallKind, number>>;
  /** Pods that fell at least once. */
  readonly podsFallen: number;
}

/** Whether the pods' processors are to be limited, so that a return can be too much for them. */
export const isLimited = ({ axes }: Pick<CellHeader, 'axes'>): boolean => axes.podCpu !== undefined;

/** What the limits of its pods did to a cell; null where nothing was limited, or no gateway heeded it. */
export function capacityDocument(
  cell: CellHeader,
  load: LoadResult,
  history: History,
): CapacityDocument | null {
  const { connectTimeout, recoverWithin } = cell.axes;
  if (history.loads.length === 0) return null;
  const steps = history.steps.filter(({ phase }) => phase === 'release' || phase === 'rollback');
  const begin = steps[0]?.begin ?? 0;
  const end = steps.at(-1)?.end ?? history.end;
  const since = (bins: readonly number[]) => bins.slice(Math.floor(begin / 1000));
  const sum = (bins: readonly number[]) => since(bins).reduce((total, one) => total + one, 0);
  const most = (bins: readonly number[]) => since(bins).reduce((peak, one) => Math.max(peak, one), 0);
  const falls = fallsOf(history).filter(({ at }) => at >= begin);
  const of = (kind: FallKind) => falls.filter((fall) => fall.kind === kind).length;
  const again = load.itselfAt === null ? null : Math.max(0, load.itselfAt - end);
  const isInTime = again !== null && again <= recoverWithin;
  const isBounded = load.longestWait <= connectTimeout;
  return {
    outcome: !isInTime ? 'collapses' : isBounded && falls.length === 0 ? 'holds' : 'recovers',
    itselfAgainMillis: again,
    offeredAttempts: sum(load.offered),
    servedAttempts: sum(load.served),
    staleAttempts: load.stale,
    timedOutAttempts: sum(load.timedOut),
    refusedAttempts: sum(load.refused),
    droppedSyns: load.dropped,
    peakOfferedPerSecond: most(load.offered),
    peakServedPerSecond: most(load.served),
    longestQueue: most(load.queue),
    longestWaitMillis: load.longestWait,
    busiestShare: most(load.busy),
    attemptsPerReturn: load.returning === 0 ? null : load.attempts / load.returning,
    mostAttempts: load.mostAttempts,
    fallen: {
      'not ready': of('not ready'),
      restarted: of('restarted'),
      'out of memory': of('out of memory'),
    },
    podsFallen: new Set(falls.map(({ pod }) => pod)).size,
  };
}
