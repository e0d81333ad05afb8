import type { HopEnd, Timed } from '../../contracts/event.ts';
import { formatDuration, type Millis } from '../../time/duration.ts';
import { tolerated } from '../../time/tolerance.ts';
import type { History, StepSpan } from '../history.ts';

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;

/** One thing that a cluster did, as part of what led to a disconnect. */
export interface Moment {
  readonly at: Millis;
  readonly kind: 'endpoints' | 'proxy' | 'balancer' | 'gateway' | 'pod' | 'node' | 'hop' | 'autoscaler';
  readonly text: string;
}

/** What one pod's process was told and did. */
export interface PodEnd {
  /** SIGTERM, drain or a close of its own: from here on its connections are asked, or made, to go. */
  closing?: Moment;
  /** The process ended. */
  ended?: Moment;
  /** An autoscaler asked for fewer pods, of which this one was chosen. */
  scaledDown?: Moment;
  /** Deleted through the API. */
  terminating?: Moment;
}

/** A change of a node's rules for one Service. */
interface RuleChange {
  /** When this node had them; its moment is told from the first node of several on. */
  readonly at: Millis;
  readonly service: string;
  readonly moment: Moment;
  readonly forwards: boolean;
}

/** A change of a balancer: in health, in number, or its table forgotten. */
interface BalancerChange {
  readonly at: Millis;
  readonly service: string;
  readonly moment: Moment;
  /** Nodes that passed their health checks from then on. */
  readonly healthy: ReadonlySet<string>;
  readonly failOpen: boolean;
  readonly recreated: boolean;
  readonly empty: boolean;
}

/** A hop's ending of connections. */
interface HopEnding {
  readonly at: Millis;
  readonly hop: string;
  readonly act: HopEnd | undefined;
  readonly moment: Moment;
  /** What it had done to them before, that has now ended them. */
  readonly begun: Moment | undefined;
}

/** The cluster's history arranged for looking up what led to a disconnect. */
export interface EvidenceIndex {
  readonly history: History;
  /** When the release began; what was so before is no part of a chain. */
  readonly begin: Millis;
  readonly pods: ReadonlyMap<string, PodEnd>;
  /** Per pod: each time that a Service lost it. */
  readonly losses: ReadonlyMap<string, readonly Moment[]>;
  /** Per node: each time that a Service lost its last ready endpoint there. */
  readonly nodeLosses: ReadonlyMap<string, readonly Moment[]>;
  /** Per pod: the Services that it has ever been an endpoint of. */
  readonly services: ReadonlyMap<string, ReadonlySet<string>>;
  /** Per node: each change of its rules. */
  readonly proxies: ReadonlyMap<string, readonly RuleChange[]>;
  /** Balancer changes with what changed. */
  readonly balancers: readonly BalancerChange[];
  readonly removedNodes: ReadonlyMap<string, Moment>;
  readonly hops: readonly HopEnding[];
}

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

function indexPods(history: History, speed: number | null): Map<string, PodEnd> {
  const pods = new Map<string, PodEnd>();
  const endOf = (pod: string) => {
    const end = pods.get(pod) ?? {};
    pods.set(pod, end);
    return end;
  };
  for (const { at, pod, did, why, connections } of history.gateways) {
    const end = endOf(pod);
    const count = connections === undefined ? '' : ` with ${plural(connections, 'connection')}`;
    const words = {
      sigterm: 'gateway receives SIGTERM',
      drain: 'gateway begins to drain',
      close: 'gateway closes connections',
      exit: 'gateway process exits',
      killed: 'gateway process is killed',
    }[did];
    const moment: Moment = { at, kind: 'gateway', text: `${pod}: ${words}${count}${why ? ` (${why})` : ''}` };
    if (did === 'exit' || did === 'killed') end.ended ??= moment;
    else end.closing ??= moment;
  }
  for (const { pod, phases } of history.pods.values())
    for (const { at, phase, why } of phases) {
      const end = endOf(pod);
      const moment: Moment = { at, kind: 'pod', text: `pod ${pod} is ${phase}${why ? ` (${why})` : ''}` };
      if (phase === 'terminating' && end.terminating === undefined) {
        end.terminating = moment;
        const decided = scalingDown(history, pod, at, speed);
        if (decided !== undefined) end.scaledDown = decided;
      }
      // The gateway's own word is earlier and says more, where there is one.
      if (phase === 'gone') end.ended ??= moment;
    }
  return pods;
}

/** A ReplicaSet deletes its pods within this time of the decision. */
const SCALED = { model: 3000, real: 500 } as const;

/** The autoscaler's decision that had this pod deleted at `at`, if one had. */
function scalingDown(history: History, pod: string, at: Millis, speed: number | null): Moment | undefined {
  const event = history.autoscaler.findLast(
    (decision) =>
      decision.desired < decision.current &&
      decision.at <= at &&
      at - decision.at <= tolerated(SCALED, speed) &&
      // <Deployment>-<hash of its template>-<five letters>
      pod.startsWith(`${decision.target}-`) &&
      pod.slice(decision.target.length + 1).split('-').length === 2,
  );
  if (event === undefined) return undefined;
  const { target, current, desired, why } = event;
  return {
    at: event.at,
    kind: 'autoscaler',
    text: `the autoscaler takes ${target} from ${current} to ${desired} replicas (${why})`,
  };
}

function indexEndpoints(history: History): Pick<EvidenceIndex, 'losses' | 'nodeLosses' | 'services'> {
  const before = new Map<string, ReadonlyMap<string, string>>();
  const losses = new Map<string, Moment[]>();
  const nodeLosses = new Map<string, Moment[]>();
  const services = new Map<string, Set<string>>();
  const add = (lists: Map<string, Moment[]>, key: string, moment: Moment) => {
    const list = lists.get(key);
    if (list === undefined) lists.set(key, [moment]);
    else list.push(moment);
  };
  for (const { at, service, endpoints } of history.endpoints) {
    for (const { pod } of endpoints) services.set(pod, (services.get(pod) ?? new Set<string>()).add(service));
    const ready = new Map(endpoints.filter((each) => each.ready).map(({ pod, node }) => [pod, node]));
    const old = before.get(service) ?? new Map<string, string>();
    before.set(service, ready);
    const lost = [...old].filter(([pod]) => !ready.has(pod));
    const left =
      ready.size === 0 ? 'no ready endpoint is left' : `${plural(ready.size, 'ready endpoint')} now`;
    // Of several pods lost at once each client's chain names its own only.
    const others = lost.length > 1 ? ` and ${plural(lost.length - 1, 'other pod')}` : '';
    for (const [pod] of lost)
      add(losses, pod, { at, kind: 'endpoints', text: `Service ${service} loses ${pod}${others}; ${left}` });
    const nodes = new Set(ready.values());
    for (const node of new Set(lost.map(([, each]) => each)))
      if (!nodes.has(node))
        add(nodeLosses, node, {
          at,
          kind: 'endpoints',
          text: `Service ${service} loses its last ready endpoint on ${node}; ${left}`,
        });
  }
  return { losses, nodeLosses, services };
}

/** Nodes take up the same change one after the other; within this time it is told as one. */
const SAME_CHANGE = { model: 60_000, real: 2000 } as const;

function indexProxies(history: History, speed: number | null): EvidenceIndex['proxies'] {
  const same = tolerated(SAME_CHANGE, speed);
  const words = {
    forward: 'forwards the Service to its endpoints',
    reject: 'rejects the Service (it has no endpoints)',
    drop: 'drops packets for the Service (no endpoint on this node)',
    none: 'has no rule for the Service',
  };
  const proxies = new Map<string, RuleChange[]>();
  const groups = new Map<
    string,
    { first: Of<'proxy'>; nodes: Set<string>; moment: { -readonly [K in keyof Moment]: Moment[K] } }
  >();
  for (const event of history.proxies) {
    const { at, node, service, rules } = event;
    const key = `${service} ${rules}`;
    let group = groups.get(key);
    if (group === undefined || at - group.first.at > same || group.nodes.has(node)) {
      group = { first: event, nodes: new Set(), moment: { at, kind: 'proxy', text: '' } };
      groups.set(key, group);
    }
    group.nodes.add(node);
    const { first, nodes, moment } = group;
    const who = nodes.size > 3 ? `${nodes.size} nodes` : [...nodes].join(', ');
    const spread = at > first.at ? `, within ${formatDuration(at - first.at)}` : '';
    moment.text = `${who}: the node's dataplane now ${words[rules]} (${service}${spread})`;
    const list = proxies.get(node) ?? [];
    proxies.set(node, list);
    list.push({ at, service, moment, forwards: rules === 'forward' });
  }
  return proxies;
}

function indexBalancers(history: History): BalancerChange[] {
  const before = new Set<string>();
  return history.balancers.flatMap((event, place): BalancerChange[] => {
    const { at, service, backends, failOpen } = event;
    const known = before.has(service);
    before.add(service);
    const next = history.balancers.slice(place + 1).find((later) => later.service === service);
    const empty = backends.length === 0;
    // A forwarding rule that goes only to come again is recreated from the moment it goes.
    const recreated = event.recreated === true || (empty && next?.recreated === true);
    if (!known && !recreated) return [];
    const healthy = backends.filter((backend) => backend.healthy).map(({ node }) => node);
    const few = healthy.length > 4 ? `${healthy.slice(0, 4).join(', ')}, ...` : healthy.join(', ');
    const state = failOpen
      ? `no backend is healthy, it fails open over ${plural(backends.length, 'node')}`
      : empty
        ? 'it has no backends'
        : `${healthy.length} of ${plural(backends.length, 'backend')} healthy${few === '' ? '' : ` (${few})`}`;
    const deed = recreated ? (empty ? ' is deleted to be made anew' : ' is made anew') : '';
    return [
      {
        at,
        service,
        healthy: new Set(healthy),
        moment: { at, kind: 'balancer', text: `balancer of ${service}${deed}: ${state}` },
        failOpen,
        recreated,
        empty,
      },
    ];
  });
}

function indexHops(history: History): HopEnding[] {
  const momentOf = ({ at, hop, did, connections }: Of<'hop'>): Moment => ({
    at,
    kind: 'hop',
    text: `${hop}: ${did}${connections === undefined ? '' : ` (${plural(connections, 'connection')})`}`,
  });
  const keeping = history.hops.filter(({ kept }) => kept);
  return history.hops
    .filter(({ kept }) => !kept)
    .map((event) => {
      const { at, hop, since, act } = event;
      const begun =
        since === undefined
          ? undefined
          : keeping.findLast((earlier) => earlier.hop === hop && earlier.at <= since);
      return { at, hop, act, moment: momentOf(event), begun: begun && momentOf(begun) };
    });
}

/** Arranges a cell's history for attribution; `speed` as in the cell's header. */
export function indexEvidence(history: History, speed: number | null): EvidenceIndex {
  return {
    history,
    begin: history.steps.find(({ phase }) => phase === 'release')?.begin ?? 0,
    pods: indexPods(history, speed),
    ...indexEndpoints(history),
    proxies: indexProxies(history, speed),
    balancers: indexBalancers(history),
    removedNodes: new Map(
      history.nodes
        .filter(({ change }) => change === 'removed')
        .map(({ at, node }) => [node, { at, kind: 'node', text: `node ${node} is removed` }]),
    ),
    hops: indexHops(history),
  };
}

/** Controllers need a moment to react to a step, by which time the next may have begun. */
const REACTION = { model: 5000, real: 500 } as const;

/**
 * The step that brought something about at `at`: the last one of release or rollback begun by then. Endpoints and
 * rules follow a step within seconds, so for them a step that is marked as cut-over or fault and began within 5 s
 * is preferred to a later, unmarked one (a mere `watch` that began as soon as the patch was accepted).
 */
export function causingStep(
  history: History,
  speed: number | null,
  at: Millis,
  kind?: Moment['kind'],
): StepSpan | undefined {
  const begun = history.steps.filter(
    ({ phase, begin }) => begin <= at && (phase === 'release' || phase === 'rollback'),
  );
  const last = begun.at(-1);
  if (kind !== 'endpoints' && kind !== 'proxy' && kind !== 'balancer') return last;
  if (last === undefined || last.cutOver || last.fault) return last;
  return (
    begun.findLast(
      ({ begin, cutOver, fault }) => (cutOver || fault) && at - begin <= tolerated(REACTION, speed),
    ) ?? last
  );
}
