import type { CellHeader } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
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

const NOTHING: Attribution = { cause: 'unattributed', inferred: false, moments: [] };

const until = (moment: Moment | undefined, time: Millis) =>
  moment !== undefined && moment.at <= time ? moment : undefined;

/** The endpoint change, rules and balancer state that stood when a packet met its fate, as far as the release brought them about. */
function pathMoments(index: EvidenceIndex, node: string, at: Millis) {
  const rules = index.proxies.get(node) ?? [];
  const rule = rules[findLast(rules, at)];
  let place = findLast(index.balancers, at);
  const failOpen = index.balancers[place]?.failOpen === true;
  // Back to where it began to fail open: what came after changed nothing for the flow.
  while (failOpen && index.balancers[place - 1]?.failOpen === true && !index.balancers[place]?.recreated)
    place--;
  const change = index.balancers[place];
  const balancer = change !== undefined && change.at >= index.begin ? change : undefined;
  const recent = (moment: Moment | undefined) =>
    moment !== undefined && moment.at >= index.begin ? moment : undefined;
  return {
    rule: rule?.forwards === false ? recent(rule.moment) : undefined,
    balancer,
    endpoints: recent(lastUntil(index.endpoints, Math.min(at, balancer?.at ?? at))),
  };
}

function findLast(list: readonly { readonly moment: Moment }[], time: Millis): number {
  let index = list.length - 1;
  while (index >= 0 && (list[index] as { moment: Moment }).moment.at > time) index--;
  return index;
}

/** The recreation of a balancer that made it forget a connection opened before. */
const recreation = (index: EvidenceIndex, openedAt: Millis, time: Millis): Moment | undefined =>
  index.balancers.find(({ recreated, at }) => recreated && at >= openedAt && at <= time)?.moment;

/** From the fate of the first packet that was not delivered. */
function fromFate(index: EvidenceIndex, cell: CellHeader, drop: Drop, fate: Fate): Attribution {
  const { ended, terminating, scaledDown } = index.pods.get(drop.pod) ?? {};
  if (until(ended, fate.at))
    return seen('gateway-ended', until(scaledDown, fate.at), until(terminating, fate.at), ended);
  const carrier = fate.before ?? drop.node ?? fate.node;
  const removed = until(index.removedNodes.get(carrier), fate.at);
  if (removed) return seen('node-removed', removed);
  const recreated = recreation(index, drop.openedAt, fate.at);
  if (recreated) return seen('balancer-recreated', recreated);
  const { rule, balancer, endpoints } = pathMoments(index, fate.node, fate.at);
  if (fate.before === undefined || fate.before === fate.node) return seen('dataplane-cut', endpoints, rule);
  if (balancer?.empty) return seen('no-backend', endpoints, balancer.moment);
  // A backend service keeps TCP on the backend it has, healthy or not, for as long as it remembers the flow.
  if (cell.axes.balancer === 'backend-service')
    return seen('tracking-expired', endpoints, rule, balancer?.moment);
  if (balancer?.failOpen) return seen('fail-open-rehash', endpoints, rule, balancer.moment);
  return seen('balancer-moved', endpoints, rule, balancer?.moment);
}

/** Without a fate: what changed on the connection's path while it fell silent. */
function fromChanges(index: EvidenceIndex, cell: CellHeader, drop: Drop): Attribution {
  const from = drop.lastAnswer - WATCH_DELAY;
  const to = drop.detected + WATCH_DELAY;
  const within = (moment: Moment | undefined) => moment !== undefined && moment.at >= from && moment.at <= to;
  const node = drop.node ?? index.history.pods.get(drop.pod)?.node ?? '';
  const removed = index.removedNodes.get(node);
  if (within(removed)) return inferred('node-removed', removed);
  const recreated = recreation(index, from, to);
  if (recreated) return inferred('balancer-recreated', recreated);
  const changes = index.balancers.filter(({ moment }) => within(moment));
  const change = changes.find(({ failOpen }) => failOpen) ?? changes[0];
  if (change !== undefined) {
    const { rule, endpoints } = pathMoments(index, node, change.at);
    const cause = change.empty
      ? 'no-backend'
      : cell.axes.balancer === 'backend-service'
        ? 'tracking-expired'
        : change.failOpen
          ? 'fail-open-rehash'
          : 'balancer-moved';
    return inferred(cause, endpoints, rule, change.moment);
  }
  const cut = index.proxies.get(node)?.find(({ moment, forwards }) => !forwards && within(moment));
  if (cut !== undefined)
    return inferred('dataplane-cut', lastUntil(index.endpoints, cut.moment.at), cut.moment);
  return NOTHING;
}

/**
 * Why this connection was lost. Seen where the log shows it on the connection itself (the fate of its packet, a
 * close frame, its gateway's own word), inferred where only the time tells, `unattributed` where nothing does.
 */
export function attribute(index: EvidenceIndex, cell: CellHeader, drop: Drop): Attribution {
  const { closing, ended, terminating, scaledDown } = index.pods.get(drop.pod) ?? {};
  const late = drop.detected + (cell.evidence === 'measured' ? WATCH_DELAY : 0);
  const told = until(closing, late);
  const going = [until(scaledDown, late), until(terminating, late)];
  if (drop.asked) return seen('asked-to-leave', ...going, told);
  if (drop.fate !== undefined && !(drop.ending.how === 'close' && until(closing, drop.fate.at)))
    return fromFate(index, cell, drop, drop.fate);
  const over = until(ended, late);
  // A gateway that had only begun to drain may still have been killed with this connection open.
  if (over && drop.ending.how !== 'close' && over.at <= drop.detected)
    return seen('gateway-ended', ...going, told, over);
  const hop = index.hops.findLast(
    ({ moment: { at } }) =>
      at <= late && at >= Math.min(drop.lastAnswer, drop.detected - WATCH_DELAY) - WATCH_DELAY,
  );
  const byHop = () => ({
    ...seen('hop-ended', hop?.begun, hop?.moment),
    inferred: cell.evidence === 'measured',
  });
  // A gateway says goodbye with a close frame; a proxy that gives up a connection does not.
  if (hop !== undefined && drop.ending.how === 'fin') return byHop();
  if (told && drop.ending.how !== 'silence') return seen('gateway-closed', ...going, told);
  if (over) return seen('gateway-ended', ...going, over);
  if (hop !== undefined) return byHop();
  if (drop.ending.how === 'close') {
    return until(terminating, late)
      ? inferred('gateway-closed', ...going)
      : { cause: 'unattributed', inferred: false, moments: [] };
  }
  return fromChanges(index, cell, drop);
}
