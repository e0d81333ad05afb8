import type { Millis } from '../duration.ts';
import type { CellHeader } from '../event.ts';
import type { Cause } from './causes.ts';
import type { EvidenceIndex, Moment } from './evidence.ts';
import type { Drop, Fate } from './fleet.ts';
import { lastUntil } from './history.ts';

/** Why one connection was lost and what on the cluster led there, earliest first. */
export interface Attribution {
  readonly cause: Cause;
  /** Concluded from what the cluster did at that time, not seen on the packet itself. */
  readonly inferred: boolean;
  readonly moments: readonly Moment[];
}

/** A real cluster's events reach the log through watches and polls, up to this much after the client's own. */
const WATCH_DELAY: Millis = 3000;

const seen = (cause: Cause, ...moments: (Moment | undefined)[]): Attribution => ({
  cause,
  inferred: false,
  moments: moments.filter((moment) => moment !== undefined).sort((a, b) => a.at - b.at),
});
const inferred = (cause: Cause, ...moments: (Moment | undefined)[]): Attribution => ({
  ...seen(cause, ...moments),
  inferred: true,
});

const until = (moment: Moment | undefined, time: Millis) =>
  moment !== undefined && moment.at <= time ? moment : undefined;

/** The endpoint change, rules and balancer state that stood when a packet met its fate. */
function pathMoments(index: EvidenceIndex, node: string, at: Millis) {
  const rules = index.proxies.get(node);
  const rule = rules?.[findLast(rules, at)];
  let change = findLast(index.balancers, at);
  const failOpen = index.balancers[change]?.failOpen === true;
  // Back to where it began to fail open: what came after changed nothing for the flow.
  while (
    failOpen &&
    index.balancers[change - 1]?.failOpen === true &&
    index.balancers[change]?.recreated === false
  )
    change--;
  const balancer = index.balancers[change];
  const shrink = lastUntil(index.shrinks, Math.min(at, balancer?.at ?? at)) ?? lastUntil(index.shrinks, at);
  return { rule: rule?.forwards === false ? rule.moment : undefined, balancer, shrink };
}

function findLast(list: readonly { readonly moment: Moment }[], time: Millis): number {
  let index = list.length - 1;
  while (index >= 0 && (list[index] as { moment: Moment }).moment.at > time) index--;
  return index;
}

/** From the fate of the first packet that was not delivered. */
function fromFate(index: EvidenceIndex, cell: CellHeader, drop: Drop, fate: Fate): Attribution {
  const { ended, terminating } = index.pods.get(drop.pod) ?? {};
  if (until(ended, fate.at)) return seen('gateway-ended', until(terminating, fate.at), ended);
  const carrier = fate.before ?? drop.node ?? fate.node;
  const removed = until(index.removedNodes.get(carrier), fate.at);
  if (removed) return seen('node-removed', removed);
  const { rule, balancer, shrink } = pathMoments(index, fate.node, fate.at);
  if (fate.before === undefined || fate.before === fate.node) return seen('dataplane-cut', shrink, rule);
  // A backend service keeps TCP on the backend it has, healthy or not, for as long as it remembers the flow.
  if (cell.axes.balancer === 'backend-service' && balancer?.recreated !== true)
    return seen('tracking-expired', shrink, rule, balancer?.moment);
  if (balancer?.recreated === true) return seen('balancer-recreated', balancer.moment, rule);
  if (balancer?.failOpen === true) return seen('fail-open-rehash', shrink, rule, balancer.moment);
  return seen('balancer-moved', shrink, rule, balancer?.moment);
}

/** Without a fate: what changed on the connection's path while it fell silent. */
function fromChanges(index: EvidenceIndex, cell: CellHeader, drop: Drop): Attribution {
  const from = drop.lastAnswer - WATCH_DELAY;
  const to = drop.detected + WATCH_DELAY;
  const within = (moment: Moment | undefined) => moment !== undefined && moment.at >= from && moment.at <= to;
  const node = drop.node ?? index.history.pods.get(drop.pod)?.node ?? '';
  const removed = index.removedNodes.get(node);
  if (within(removed)) return inferred('node-removed', removed);
  const changes = index.balancers.filter(({ moment }) => within(moment));
  const change =
    changes.find(({ recreated }) => recreated) ?? changes.find(({ failOpen }) => failOpen) ?? changes[0];
  if (change !== undefined) {
    const { rule, shrink } = pathMoments(index, node, change.at);
    if (change.recreated) return inferred('balancer-recreated', change.moment);
    if (cell.axes.balancer === 'backend-service')
      return inferred('tracking-expired', shrink, rule, change.moment);
    return inferred(change.failOpen ? 'fail-open-rehash' : 'balancer-moved', shrink, rule, change.moment);
  }
  const cut = index.proxies.get(node)?.find(({ moment, forwards }) => !forwards && within(moment));
  if (cut !== undefined)
    return inferred('dataplane-cut', lastUntil(index.shrinks, cut.moment.at), cut.moment);
  return { cause: 'unattributed', inferred: false, moments: [] };
}

/**
 * Why this connection was lost. Seen where the log shows it on the connection itself (the fate of its packet, a
 * close frame, its gateway's own word), inferred where only the time tells, `unattributed` where nothing does.
 */
export function attribute(index: EvidenceIndex, cell: CellHeader, drop: Drop): Attribution {
  const { closing, ended, terminating } = index.pods.get(drop.pod) ?? {};
  const late = drop.detected + (cell.evidence === 'measured' ? WATCH_DELAY : 0);
  const told = until(closing, late);
  if (drop.asked) return seen('asked-to-leave', until(terminating, late), told);
  if (drop.fate !== undefined && !(drop.ending.how === 'close' && until(closing, drop.fate.at)))
    return fromFate(index, cell, drop, drop.fate);
  const over = until(ended, late);
  // A gateway that had only begun to drain may still have been killed with this connection open.
  if (over && drop.ending.how !== 'close' && over.at <= drop.detected)
    return seen('gateway-ended', until(terminating, late), told, over);
  if (told && drop.ending.how !== 'silence') return seen('gateway-closed', until(terminating, late), told);
  if (over) return seen('gateway-ended', until(terminating, late), over);
  const hop = index.hops.findLast(
    ({ at }) => at <= late && at >= Math.min(drop.lastAnswer, drop.detected - WATCH_DELAY) - WATCH_DELAY,
  );
  if (hop !== undefined) return { ...seen('hop-ended', hop), inferred: cell.evidence === 'measured' };
  if (drop.ending.how === 'close') {
    const going = until(terminating, late);
    return going
      ? inferred('gateway-closed', going)
      : { cause: 'unattributed', inferred: false, moments: [] };
  }
  return fromChanges(index, cell, drop);
}
