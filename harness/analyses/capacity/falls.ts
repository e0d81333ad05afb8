import type { Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { History, PodHistory } from '../history.ts';
import { lastUntil } from '../history.ts';

type Load = Extract<Timed, { type: 'load' }>;

/** How a pod fell under its load: out of the endpoints, or its process ended. */
export type FallKind = 'not ready' | 'restarted' | 'out of memory';

/** One fall of one pod. */
export interface Fall {
  readonly at: Millis;
  readonly pod: string;
  readonly kind: FallKind;
}

/** Three probes of 10 s and their time-outs lie between the first one that was late and what follows from them. */
const PROBES: Millis = 40_000;

/** A process that was told to go and was then killed fell once. */
const SAME_FALL: Millis = 120_000;

/** What the pods' own words say of falls: whoever is told to go, or is killed, and is not being deleted. */
export function fallsOf({ gateways, loads, pods }: Pick<History, 'gateways' | 'loads' | 'pods'>): Fall[] {
  const late = Map.groupBy(
    loads.filter(({ lateProbes }) => lateProbes > 0),
    ({ pod }) => pod,
  );
  // Only a pod whose limits are counted can fall by them.
  const limited = new Set(loads.map(({ pod }) => pod));
  const ended: Fall[] = [];
  for (const { at, pod, did, why } of gateways) {
    if (!limited.has(pod) || (did !== 'sigterm' && did !== 'killed')) continue;
    const kind: FallKind = why.startsWith('OOMKilled') ? 'out of memory' : 'restarted';
    if (kind === 'restarted' && (isGoing(pods.get(pod), at) || !isLate(late.get(pod), at))) continue;
    const before = ended.findLast((fall) => fall.pod === pod);
    const isSame =
      kind === 'restarted' && did === 'killed' && before?.kind === kind && at - before.at <= SAME_FALL;
    if (!isSame) ended.push({ at, pod, kind });
  }
  const unready = [...pods.values()].flatMap(({ pod, phases }) =>
    phases.flatMap(({ at, phase, ready }, index): Fall[] => {
      const before = phases[index - 1];
      const isFall = before?.ready === true && !ready && phase === 'running' && isLate(late.get(pod), at);
      const isEnd = ended.some((fall) => fall.pod === pod && Math.abs(fall.at - at) <= PROBES);
      return isFall && !isEnd ? [{ at, pod, kind: 'not ready' }] : [];
    }),
  );
  return [...ended, ...unready].sort((one, other) => one.at - other.at);
}

/** The pod was being deleted by then. */
const isGoing = (history: PodHistory | undefined, at: Millis): boolean =>
  history === undefined || ['terminating', 'gone'].includes(lastUntil(history.phases, at)?.phase ?? '');

const isLate = (late: readonly Load[] | undefined, at: Millis): boolean => {
  const last = late?.findLast((load) => load.at - load.over <= at);
  return last !== undefined && at - last.at <= PROBES + SAME_FALL;
};
