import { isAged } from '../../contracts/connection.ts';
import type { CellHeader, HopEnd } from '../../contracts/event.ts';
import { balancerNamed } from '../../platforms/balancers.ts';
import { dataplane } from '../../platforms/dataplanes.ts';
import type { Millis } from '../../time/duration.ts';
import { tolerated } from '../../time/tolerance.ts';
import type { Drop, Fate } from '../clients/fleet.ts';
import { countUntil, lastUntil } from '../history.ts';
import type { Cause } from './causes.ts';
import type { EvidenceIndex, Moment, PodEnd } from './evidence.ts';

/** Why one connection was lost and what on the cluster led there, earliest first. */
export interface Attribution {
  readonly cause: Cause;
  /** Concluded from what the cluster did at that time, not seen on the packet itself. */
  readonly inferred: boolean;
  readonly moments: readonly Moment[];
}

/** A real cluster's words reach the log through watches, polls and a process's output, up to this much after the client's own. */
export const WATCH_DELAY = { model: 3000, real: 1000 } as const;

/** A proxy's log tells of what it ended only once its worker has: with thousands of connections on a busy machine, seconds later. */
const HOP_DELAY = { model: 3000, real: 3000 } as const;

/** A kubelet kills this much around the end of the grace that it was told: it counts whole seconds from when it hears of it. */
const CUT = { model: 3000, real: 2000 } as const;

/** A pod tells of its load within this time. */
const TOLD_WITHIN: Millis = 2000;

const seen = (cause: Cause, ...moments: (Moment | undefined)[]): Attribution => ({
  cause,
  inferred: false,
  moments: moments.filter((moment) => moment !== undefined).sort((a, b) => a.at - b.at),
});
const inferred = (cause: Cause, ...moments: (Moment | undefined)[]): Attribution => ({
  ...seen(cause, ...moments),
  inferred: true,
});

/** What the socket itself shows, where nothing else is seen. */
const BY_SOCKET = {
  close: 'closed-by-peer',
  fin: 'ended-by-peer',
  reset: 'reset-on-the-way',
  refused: 'reset-on-the-way',
  silence: 'path-silent',
} as const satisfies Record<Drop['ending']['how'], Cause>;

/**
 * How the pod of a connection ended; of a connection whose pod nobody told, that of the watched pod that was told to
 * end last before, and had not been gone for long.
 */
export function podEndOf(
  index: EvidenceIndex,
  cell: CellHeader,
  drop: Drop,
): { readonly end: PodEnd; readonly guessed: boolean } {
  const known = index.history.pods.has(drop.pod);
  const end = index.pods.get(drop.pod) ?? {};
  if (cell.kind !== 'watch' || known) return { end, guessed: false };
  const delay = tolerated(WATCH_DELAY, cell.speed);
  const loss = lossOf(drop, cell.axes.heartbeat);
  const last = [...index.pods.values()]
    .filter(
      ({ terminating, ended }) =>
        terminating !== undefined &&
        terminating.at <= loss + delay &&
        (ended === undefined || ended.at >= drop.lastAnswer - delay),
    )
    .sort((one, other) => (other.terminating?.at ?? 0) - (one.terminating?.at ?? 0))[0];
  return { end: last ?? end, guessed: last !== undefined };
}

const NOTHING: Attribution = { cause: 'unattributed', inferred: false, moments: [] };

/** The moment from which a connection was lost: known from its packet, else bounded by what the client saw. */
export function lossOf(drop: Drop, heartbeat: Millis): Millis {
  if (drop.fate !== undefined) return drop.fate.at;
  // A ping left within one heartbeat of the last answer, and it was not answered.
  return drop.ending.how === 'silence' ? Math.min(drop.detected, drop.lastAnswer + heartbeat) : drop.detected;
}

const until = (moment: Moment | undefined, time: Millis) =>
  moment !== undefined && moment.at <= time ? moment : undefined;

/** What is meant by its gateway's having ended, or closed, a connection: somebody may have told the pod to go, or cut its grace. */
function byGateway({ evicted, cutAt, ended }: PodEnd, plain: Cause, time: Millis, delay: Millis): Cause {
  if (!until(evicted, time)) return plain;
  const isCut = cutAt !== undefined && plain === 'gateway-ended' && (ended?.at ?? 0) >= cutAt - delay;
  return isCut ? 'grace-cut' : 'evicted';
}

/** What told the pod to go, earliest first. */
const goingOf = ({ scaledDown, evicted, forced, terminating }: PodEnd, time: Millis) => [
  until(scaledDown, time),
  until(evicted, time) ?? until(terminating, time),
  until(forced, time),
];

/** The end of its machine's power, where that ended the pod rather than something before. */
function darkness(index: EvidenceIndex, drop: Drop, time: Millis): Moment | undefined {
  const dark = until(index.darkNodes.get(nodeOf(index, drop)), time);
  const ended = index.pods.get(drop.pod)?.ended;
  return dark === undefined || (ended !== undefined && ended.at < dark.at) ? undefined : dark;
}

/** Where the connection's pod is, or was. */
const nodeOf = (index: EvidenceIndex, drop: Drop) =>
  drop.node ?? index.history.pods.get(drop.pod)?.node ?? '';

/** The changes of what this client's connection came through, and of nothing else. */
function ownPath(index: EvidenceIndex, cell: CellHeader, drop: Drop) {
  // A proxy in front ends the client's connection: then it, not the gateway, is the Service's endpoint.
  const entry = drop.hop ?? drop.pod;
  const services = index.services.get(entry);
  const own = index.balancers.filter(({ service }) => services?.has(service));
  const recent = (moment: Moment | undefined) =>
    moment !== undefined && moment.at >= index.begin ? moment : undefined;
  return {
    /** Without any of a Service of its own the way to it leads through a proxy that nobody has told of. */
    balancers: own.length > 0 ? own : index.balancers,
    /** The loss of the client's own endpoint or, under Local, of the last one on the node that carried it. */
    endpoints(node: string, at: Millis): Moment | undefined {
      const loss = recent(lastUntil(index.losses.get(entry) ?? [], at));
      const last = cell.axes.policy === 'Local' ? index.nodeLosses.get(node) : undefined;
      return loss ?? recent(lastUntil(last ?? [], at));
    },
    /** The rules of a node that no longer forward the client's Service. */
    rule(node: string, at: Millis): Moment | undefined {
      const rules = index.proxies.get(node)?.filter(({ service }) => services?.has(service) ?? true);
      const rule = lastUntil(rules ?? [], at);
      return rule === undefined || rule.forwards ? undefined : recent(rule.moment);
    },
    recent,
  };
}

type OwnPath = ReturnType<typeof ownPath>;

/** The state of the client's balancer at a time, and the change since when it is so for the node that carried the client. */
function balancerAt({ balancers, recent }: OwnPath, carrier: string, at: Millis) {
  const state = lastUntil(balancers, at);
  if (state === undefined) return undefined;
  let place = balancers.indexOf(state);
  const same = (other: (typeof balancers)[number] | undefined) =>
    other !== undefined &&
    other.service === state.service &&
    other.failOpen === state.failOpen &&
    other.empty === state.empty &&
    other.healthy.has(carrier) === state.healthy.has(carrier);
  // Back to where it began: what came after changed nothing for the flow.
  while (!state.healthy.has(carrier) && !balancers[place]?.recreated && same(balancers[place - 1])) place--;
  return { ...state, moment: recent(balancers[place]?.moment) };
}

/** The recreation of a balancer that made it forget a connection. */
const recreation = ({ balancers }: OwnPath, since: Millis, time: Millis): Moment | undefined =>
  balancers.find(({ recreated, at }) => recreated && at >= since && at <= time)?.moment;

/** From the fate of the first packet that was not delivered. */
function fromFate(index: EvidenceIndex, cell: CellHeader, drop: Drop, fate: Fate): Attribution {
  const end = index.pods.get(drop.pod) ?? {};
  const dark = darkness(index, drop, fate.at);
  if (dark) return seen('node-off', until(end.evicted, fate.at), dark);
  if (until(end.ended, fate.at))
    return seen(byGateway(end, 'gateway-ended', fate.at, CUT.model), ...goingOf(end, fate.at), end.ended);
  const proxy = index.pods.get(drop.hop ?? '');
  if (until(proxy?.ended, fate.at))
    return seen('proxy-ended', until(proxy?.terminating, fate.at), proxy?.ended);
  // The packet met the proxy itself, after that had ended the connection.
  const hop =
    fate.node === drop.hop ? hopEnding(index, drop, tolerated(HOP_DELAY, cell.speed), fate.at) : undefined;
  if (hop !== undefined) return byHop(hop);
  const path = ownPath(index, cell, drop);
  const carrier = fate.before ?? drop.node ?? fate.node;
  for (const node of new Set([carrier, drop.node ?? carrier])) {
    const removed = until(index.removedNodes.get(node), fate.at);
    // A balancer that had taken the node out before lost the connection, and not the node.
    const hadLeft = removed && balancerAt(path, node, removed.at - 1)?.listed.has(node) === false;
    if (removed && !hadLeft) return seen('node-removed', removed);
    const off = until(index.darkNodes.get(node), fate.at);
    if (off) return seen('node-off', off);
  }
  const recreated = recreation(path, drop.lastAnswer, fate.at);
  if (recreated) return seen('balancer-recreated', recreated);
  const endpoints = path.endpoints(carrier, fate.at);
  const rule = path.rule(fate.node, fate.at);
  if (fate.before === undefined || fate.before === fate.node)
    return fate.forgot === 'node' ? seen('entry-expired') : seen('dataplane-cut', endpoints, rule);
  const balancer = balancerAt(path, fate.before, fate.at);
  if (balancer?.empty) return seen('no-backend', endpoints, balancer.moment);
  const isReset = fate.verdict === 'reset' && fate.node === 'balancer';
  if (isReset)
    return fate.forgot === 'balancer'
      ? seen('balancer-idle')
      : seen('balancer-reset', endpoints, balancer?.moment);
  // Some keep TCP on the backend that they list for it, healthy or not, for as long as they remember the flow.
  const persists =
    balancerNamed(cell.axes.balancer).held.unhealthy === 'kept' &&
    (balancer === undefined || balancer.listed.has(fate.before));
  const left = balancer !== undefined && !balancer.healthy.has(fate.before);
  if (left && !persists)
    return seen(
      balancer.failOpen ? 'fail-open-rehash' : 'balancer-moved',
      until(endpoints, balancer.moment?.at ?? fate.at),
      rule,
      balancer.moment,
    );
  if (persists || fate.forgot === 'balancer')
    return seen('tracking-expired', endpoints, rule, balancer?.moment);
  const earlier = recreation(path, drop.openedAt, fate.at);
  if (earlier) return seen('balancer-recreated', earlier);
  return seen('balancer-moved', endpoints, rule, balancer?.moment);
}

/** Without a fate: what changed on the connection's path while it fell silent. */
function fromChanges(index: EvidenceIndex, cell: CellHeader, drop: Drop, delay: Millis): Attribution {
  const from = drop.lastAnswer - delay;
  const to = lossOf(drop, cell.axes.heartbeat) + delay;
  const within = ({ at }: { at: Millis }) => at >= from && at <= to;
  const node = nodeOf(index, drop);
  const removed = index.removedNodes.get(node);
  if (removed && within(removed)) return inferred('node-removed', removed);
  // With Cluster this client may have come through any node.
  for (const [name, dark] of cell.axes.policy === 'Cluster' ? index.darkNodes : [])
    if (within(dark)) {
      const deleted = index.removedNodes.get(name);
      return deleted && within(deleted) ? inferred('node-removed', deleted) : inferred('node-off', dark);
    }
  const path = ownPath(index, cell, drop);
  const recreated = recreation(path, from, to);
  if (recreated) return inferred('balancer-recreated', recreated);
  const entry = balancerNamed(cell.axes.balancer);
  const isCluster = cell.axes.policy === 'Cluster';
  // What is still sent to a node that has ended falls silent; with Cluster it may be any node.
  if (
    isCluster &&
    drop.ending.how === 'silence' &&
    (entry.held.left === 'kept' || entry.times.vanished[0] > 0)
  )
    for (const [name, moment] of index.removedNodes)
      if (within(moment) && balancerAt(path, name, moment.at - 1)?.listed.has(name) !== false)
        return inferred('node-removed', moment);
  // With Cluster the balancer may have sent this client to any node; with Local to its pod's only.
  const changes = path.balancers.filter(
    (change) => within(change) && (isCluster || change.failOpen || change.empty || !change.healthy.has(node)),
  );
  const { unhealthy } = entry.held;
  // Who keeps flows on an unhealthy backend loses them with the backend first of all.
  const left =
    unhealthy === 'kept'
      ? changes.find(({ listed, left }) => (isCluster ? left.length > 0 : !listed.has(node)))
      : undefined;
  const change = left ?? changes.find(({ failOpen }) => failOpen) ?? changes[0];
  if (change !== undefined) {
    const cause = change.empty
      ? 'no-backend'
      : change === left || (unhealthy === 'reset' && !change.listed.has(node))
        ? 'balancer-moved'
        : unhealthy === 'moved'
          ? change.failOpen
            ? 'fail-open-rehash'
            : 'balancer-moved'
          : unhealthy === 'kept'
            ? 'tracking-expired'
            : 'balancer-reset';
    return inferred(cause, path.endpoints(node, change.at), path.rule(node, change.at), change.moment);
  }
  const cut = index.proxies.get(node)?.find((each) => !each.forwards && within(each));
  if (cut !== undefined) return inferred('dataplane-cut', path.endpoints(node, cut.at), cut.moment);
  const { heartbeat, keepalive = heartbeat } = cell.axes;
  if (Math.min(heartbeat, keepalive) > dataplane(cell.axes.proxy).idle.after)
    return inferred('entry-expired');
  return NOTHING;
}

/** What a hop's word says of how it ended a connection. */
const BY_HOP = {
  'shutdown-timeout': 'proxy-shutdown-timeout',
  idle: 'proxy-idle',
  lifetime: 'proxy-lifetime',
  drain: 'proxy-drained',
  aborted: 'envoy-aborted',
  ended: 'proxy-ended',
} as const satisfies Record<HopEnd, Cause>;

const byHop = ({ act, begun, moment }: EvidenceIndex['hops'][number]): Attribution =>
  seen(act === undefined ? 'hop-ended' : BY_HOP[act], begun, moment);

/** The ending by a hop on the client's own path that lies next to what the client saw, up to `delay` apart. */
function hopEnding(index: EvidenceIndex, drop: Drop, delay: Millis, late: Millis) {
  const services = index.services.get(drop.pod);
  const isOwn = (hop: string) => {
    const [pod = ''] = hop.split(' ');
    // A sidecar, or a gateway that ends connections itself, does so to its own pod's only.
    if (pod === drop.pod) return true;
    if (drop.hop !== undefined) return hop === drop.hop;
    return hop === pod && ![...(index.services.get(pod) ?? [])].some((service) => services?.has(service));
  };
  const from = Math.min(drop.lastAnswer, drop.detected - delay) - delay;
  const distance = (at: Millis) => Math.abs(at - drop.detected);
  let nearest: EvidenceIndex['hops'][number] | undefined;
  for (let place = countUntil(index.hops, late) - 1; place >= 0; place--) {
    const ending = index.hops[place] as EvidenceIndex['hops'][number];
    if (ending.at < from) break;
    if (!isOwn(ending.hop)) continue;
    if (nearest === undefined || distance(ending.at) < distance(nearest.at)) nearest = ending;
    // All others lie further back still.
    if (ending.at <= drop.detected) break;
  }
  return nearest;
}

/** The pod's load, where it is what ended the connection: its process fell, or a ping waited longer than its client. */
function fromLoad(index: EvidenceIndex, cell: CellHeader, drop: Drop, late: Millis): Attribution | undefined {
  const fall = lastUntil(index.falls.get(drop.pod) ?? [], late);
  const loads = index.loads.get(drop.pod) ?? [];
  if (fall !== undefined && fall.at >= drop.openedAt) {
    const cause = fall.fall === 'out of memory' ? 'out-of-memory' : 'restarted-by-probe';
    return seen(cause, cause === 'out-of-memory' ? undefined : lastUntil(loads, fall.at), fall);
  }
  if (drop.ending.how !== 'silence') return undefined;
  const { heartbeat } = cell.axes;
  // What a ping waits for is told once a second or so, by the pod itself.
  const waits = ({ at, wait }: { at: Millis; wait: Millis }) =>
    at >= drop.lastAnswer && at <= drop.detected + TOLD_WITHIN && wait >= heartbeat - TOLD_WITHIN;
  const load = loads.slice(countUntil(loads, drop.lastAnswer)).find(waits);
  return load && seen('overloaded', load);
}

/**
 * Why this connection was lost. Seen where the log shows it on the connection itself (the fate of its packet, a
 * close frame, its gateway's own word), inferred where only the time tells, `unattributed` where nothing does.
 */
export function attribute(index: EvidenceIndex, cell: CellHeader, drop: Drop): Attribution {
  if (isAged(drop.ending)) return seen('aged-out');
  if (cell.sees === 'sockets') return inferred(BY_SOCKET[drop.ending.how]);
  const { end, guessed } = podEndOf(index, cell, drop);
  const found = attributed(index, cell, drop, end);
  return guessed && found.cause !== 'unattributed' ? { ...found, inferred: true } : found;
}

function attributed(index: EvidenceIndex, cell: CellHeader, drop: Drop, end: PodEnd): Attribution {
  const { closing, ended, terminating } = end;
  const isMeasured = cell.evidence === 'measured';
  const delay = tolerated(WATCH_DELAY, cell.speed);
  // A silence is told long after the connection was lost.
  const late = isMeasured ? lossOf(drop, cell.axes.heartbeat) + delay : drop.detected;
  const told = until(closing, late);
  const going = goingOf(end, late);
  const by = (plain: Cause) => byGateway(end, plain, late, tolerated(CUT, cell.speed));
  if (drop.asked) return seen('asked-to-leave', ...going, told);
  const hopDelay = tolerated(HOP_DELAY, cell.speed);
  const hop = hopEnding(index, drop, hopDelay, isMeasured ? drop.detected + hopDelay : drop.detected);
  const busy = drop.fate === undefined ? fromLoad(index, cell, drop, late) : undefined;
  if (busy !== undefined) return busy;
  // What met a connection that was closed already, in the very moment in which the client heard of that, is no cause.
  const isLate = (fate: Fate) =>
    (drop.ending.how === 'close' && until(closing, fate.at) !== undefined) ||
    (drop.ending.how === 'fin' && hop !== undefined && hop.at <= fate.at);
  if (drop.fate !== undefined && !isLate(drop.fate)) return fromFate(index, cell, drop, drop.fate);
  const dark = darkness(index, drop, late);
  // It says nothing; who is hashed to another node because of it is reset there.
  const isMute = drop.ending.how === 'silence' || drop.ending.how === 'reset';
  if (dark && isMute && dark.at >= drop.lastAnswer - delay)
    return { ...seen('node-off', until(end.evicted, late), dark), inferred: isMeasured };
  const over = until(ended, late);
  // A gateway that had only begun to drain may still have been killed with this connection open.
  if (over && drop.ending.how !== 'close' && over.at <= drop.detected)
    return seen(by('gateway-ended'), ...going, told, over);
  // A gateway says goodbye with a close frame; a proxy that gives up a connection does not.
  if (hop !== undefined && drop.ending.how === 'fin') return { ...byHop(hop), inferred: isMeasured };
  if (told && drop.ending.how !== 'silence') return seen(by('gateway-closed'), ...going, told);
  if (over) return seen(by('gateway-ended'), ...going, over);
  if (hop !== undefined) return { ...byHop(hop), inferred: isMeasured };
  if (drop.ending.how === 'close')
    return until(terminating, late) ? inferred(by('gateway-closed'), ...going) : NOTHING;
  const change = fromChanges(index, cell, drop, isMeasured ? delay : 0);
  // Its pod was going, and the watch tells of the process's end later, if at all.
  return change.cause === 'unattributed' &&
    isMeasured &&
    drop.ending.how !== 'silence' &&
    until(terminating, late)
    ? inferred(by('gateway-ended'), ...going)
    : change;
}
