import { AXES, type Axes, type AxisName, optionName } from '../contracts/axes.ts';
import type { CellHeader } from '../contracts/event.ts';
import { removalOf } from '../platforms/balancer-entry.ts';
import { balancerNamed } from '../platforms/balancers.ts';
import { dataplane } from '../platforms/dataplanes.ts';
import { longestGrace, NODE_REMOVALS } from '../platforms/node-removals.ts';
import { PROXIES } from '../platforms/proxies.ts';
import { formatDuration, type Millis } from '../time/duration.ts';
import type { StepSpan } from './history.ts';

/** What is known of a cell before it is played. */
export interface Prospect {
  readonly axes: Axes;
  /** Axes that only some strategies heed, of those that this one does. */
  readonly heeds: readonly AxisName[];
  /** Axes that somebody asked for, rather than leaving them as they are. */
  readonly typed: ReadonlySet<string>;
  /** The gateway is the built-in one, which ends as the axis `drain` says. */
  readonly builtIn: boolean;
  /** Processors that each pod uses while its share of the clients does nothing but ping. */
  readonly calmUse?: number;
}

/** A container is given at least this long between SIGTERM and SIGKILL (k8s minimumGracePeriodInSeconds). */
const LEAST_GRACE: Millis = 2000;

/** Clients that are silent for this long are forgotten or ended on their way, whatever the release does. */
const IDLE = {
  /** Envoy, stream_idle_timeout (FACTS G). */
  stream: 300_000,
} as const;

/** Models named after a library keep that library's own waits (FACTS I). */
const OWN_WAITS: readonly string[] = ['socket.io', 'reconnecting-websocket', 'signalr', 'phoenix'];

/** Cells that one warning names. */
const MOST_NAMED = 3;

type Rule = (prospect: Prospect) => string | undefined | false;

const option = (axis: AxisName) => `--${optionName(axis)}`;
const time = formatDuration;

/** Whether pods end while they still hold clients: replaced by the controller, scaled away, evicted, or retired at once. */
const endsWithClients = ({ heeds, axes }: Prospect) =>
  heeds.includes('maxSurge') ||
  heeds.includes('by') ||
  (heeds.includes('retire') && axes.retire === 'abrupt');
const endsPods = (heeds: readonly AxisName[]) =>
  (['maxSurge', 'retire', 'handoffBy', 'by'] as const).some((axis) => heeds.includes(axis));
/** Pods are replaced one after the other behind one Service, so that a node loses its last one while another serves. */
const replacesPods = ({ heeds, axes }: Prospect) =>
  heeds.includes('maxSurge') && (!heeds.includes('hpaDuring') || axes.hpaDuring === 'rolling-update');

/** The grace period that a pod gets in the end: whoever drains its node may grant less than it asks for. */
const granted = ({ heeds, axes }: Prospect) =>
  Math.min(
    axes.grace,
    heeds.includes('by') ? longestGrace(NODE_REMOVALS[axes.by]) : Number.POSITIVE_INFINITY,
  );

const silent = (heartbeat: Millis, limit: Millis | undefined, who: string, does: string) =>
  limit !== undefined &&
  heartbeat >= limit &&
  `The heartbeat (${time(heartbeat)}) is not shorter than the ${time(limit)} after which ${who}: ${does}.`;

/** The longest time without a packet of the client's own TCP; proxies count data only. */
const quietest = ({ heartbeat, keepalive = heartbeat }: Axes) => Math.min(heartbeat, keepalive);

/** An option was typed that this cell's other values make idle. */
const idle = (axis: AxisName, { typed }: Prospect, holds: boolean, why: string) =>
  typed.has(axis) && holds && `${option(axis)} changes nothing in this cell: ${why}.`;

/** Kubernetes and nginx count these in whole seconds, and the manifests of a cell round them up. */
const rounded = (axis: AxisName, value: Millis | undefined) =>
  value !== undefined &&
  value % 1000 !== 0 &&
  `${option(axis)} ${time(value)} is played as ${time(Math.ceil(value / 1000) * 1000)}: it counts whole seconds.`;

const RULES: readonly Rule[] = [
  ({ axes, heeds }) => endsPods(heeds) && rounded('grace', axes.grace),
  ({ axes, heeds }) =>
    heeds.includes('proxyReadTimeout') && rounded('proxyReadTimeout', axes.proxyReadTimeout),
  ({ axes, heeds }) =>
    endsPods(heeds) &&
    axes.grace === 0 &&
    `With a grace period of 0 the API forgets a pod at once, and its gateway has ${time(LEAST_GRACE)} from SIGTERM to SIGKILL, however it would have drained.`,
  ({ axes: { preStop, grace }, heeds }) =>
    endsPods(heeds) &&
    grace > 0 &&
    preStop >= grace &&
    `The preStop hook (${time(preStop)}) does not end within the grace period (${time(grace)}): it is cut off there, and the gateway gets SIGTERM ${time(LEAST_GRACE)} before SIGKILL, however it would have drained.`,
  (prospect) =>
    granted(prospect) < prospect.axes.grace &&
    `${prospect.axes.by} lets a pod live for ${time(granted(prospect))} after its eviction, not for the ${time(prospect.axes.grace)} that it asks for: what is connected then is lost at once.`,
  (prospect) => {
    const { drain, drainOver, preStop } = prospect.axes;
    const grace = granted(prospect);
    const left = Math.max(grace - preStop, LEAST_GRACE);
    if (!prospect.builtIn || drain !== 'paced' || !endsWithClients(prospect) || drainOver <= left)
      return undefined;
    const killed = Math.round(100 * (1 - left / drainOver));
    return `The paced drain takes ${time(drainOver)}${preStop > 0 ? ` after a preStop hook of ${time(preStop)}` : ''}, but the grace period is ${time(grace)}: SIGKILL ends about ${killed} % of a pod's connections at once, before they were asked to go.`;
  },
  (prospect) => {
    const { policy, preStop, balancer, nodes } = prospect.axes;
    const entry = balancerNamed(balancer);
    const removal = removalOf(entry, 'Local');
    if (policy !== 'Local' || preStop === 0 || nodes < 2 || !replacesPods(prospect) || !removal)
      return undefined;
    const { least, most, held, drain } = removal;
    const when = `${time(least)} to ${time(most)}`;
    if (preStop < most)
      return `With policy Local a preStop hook of ${time(preStop)} may be over before the balancer has taken the node out, ${when} after its last pod left the endpoints: until then new connections to that node are lost.`;
    const does = { moved: 'moves', reset: 'resets', kept: undefined }[held];
    return (
      does !== undefined &&
      preStop >= most + drain &&
      `With policy Local the balancer ${does} a node's connections${held === 'moved' ? ' away' : ''} ${when} after its last pod left the endpoints${drain > 0 ? ` and a drain of ${time(drain)}` : ''}, although the preStop hook keeps that pod serving for ${time(preStop)}: they are reset then, before the gateway drains.`
    );
  },
  ({ axes: { heartbeat, proxyReadTimeout, ingress }, heeds }) =>
    heeds.includes('proxyReadTimeout') &&
    silent(
      heartbeat,
      proxyReadTimeout,
      `${PROXIES[ingress].title} ends a silent connection (${PROXIES[ingress].idle.setting})`,
      'it drops idle clients by itself, again and again, release or not',
    ),
  ({ axes: { heartbeat, meshRouting }, heeds }) =>
    heeds.includes('meshRouting') &&
    meshRouting === 'http' &&
    silent(
      heartbeat,
      IDLE.stream,
      'Envoy resets a silent stream (stream_idle_timeout)',
      'it drops idle clients by itself, again and again, release or not',
    ),
  ({ axes }) => {
    const { title, idle: silence } = dataplane(axes.proxy);
    return silent(
      quietest(axes),
      silence.after,
      `${title} forgets a silent connection`,
      `each client's next packet ${silence.nextPacket}, release or not`,
    );
  },
  ({ axes }) => {
    const { idle: silence, held } = balancerNamed(axes.balancer);
    const quiet = quietest(axes);
    const forgets = 'the balancer forgets a tracked connection';
    if (silence.next === 'reset')
      return silent(
        quiet,
        silence.after,
        forgets,
        'its next packet is answered with a reset, release or not',
      );
    return (
      held.unhealthy === 'kept' &&
      silent(
        quiet,
        silence.after,
        forgets,
        'it does not hold connections on nodes that become unhealthy, but hashes them anew',
      )
    );
  },
  ({ axes: { nodes, pods }, heeds }) =>
    heeds.includes('churn') &&
    pods >= nodes &&
    'Every node carries a pod, so that none is replaced: nothing happens in this cell.',
  (prospect) =>
    idle(
      'secondService',
      prospect,
      prospect.axes.secondService === 'yes' && dataplane(prospect.axes.proxy).mode !== 'cilium',
      'kube-proxy keeps established connections whichever Services select their pods, and only Cilium looks for one that does',
    ),
  (prospect) =>
    idle(
      'internalPolicy',
      prospect,
      prospect.heeds.includes('internalPolicy') && prospect.axes.handoffBy === 'worker',
      'no Service inside the cluster is in the way (--handoff-by worker)',
    ),
  (prospect) =>
    idle(
      'dnsTtl',
      prospect,
      prospect.heeds.includes('dnsTtl') && prospect.axes.switchBy === 'selector',
      'the DNS name stays as it is (--switch-by selector)',
    ),
  (prospect) =>
    idle(
      'ask',
      prospect,
      prospect.heeds.includes('retire') && prospect.axes.retire === 'abrupt',
      'nobody is asked to go (--retire abrupt)',
    ),
  (prospect) =>
    idle(
      'promote',
      prospect,
      prospect.heeds.includes('promote') && prospect.axes.ingressApi === 'gateway-api',
      'an HTTPRoute has nothing to promote',
    ),
  (prospect) =>
    idle(
      'reloadEvery',
      prospect,
      prospect.heeds.includes('reloadEvery') && prospect.axes.reloads === 1,
      'it happens once (--reloads 1)',
    ),
  ({ axes: { maxAge, backoff, backoffModel }, builtIn }) =>
    builtIn &&
    maxAge !== undefined &&
    backoffModel === 'uniform' &&
    backoff > maxAge / 5 &&
    `With --max-age ${time(maxAge)} and a back-off of up to ${time(backoff)} about ${Math.round((100 * backoff) / (backoff + 2 * maxAge))} % of the clients are away at any time, release or not.`,
  (prospect) =>
    idle(
      'keepalive',
      prospect,
      (prospect.axes.keepalive ?? 0) >= prospect.axes.heartbeat,
      `no connection is without a packet for that long (--heartbeat ${time(prospect.axes.heartbeat)})`,
    ),
  (prospect) =>
    idle(
      'hpaTolerance',
      prospect,
      prospect.heeds.includes('hpaTolerance') && Number(prospect.axes.kubernetes.split('.')[1]) < 35,
      `an autoscaler has no tolerance of its own before Kubernetes 1.35 (--kubernetes ${prospect.axes.kubernetes})`,
    ),
  (prospect) => {
    const { title, reload } = PROXIES[prospect.axes.ingress];
    const on: readonly string[] = reload.on;
    const heeded = prospect.heeds.includes('workerShutdownTimeout');
    return idle('workerShutdownTimeout', prospect, heeded && on.length === 0, `${title} does not reload`);
  },
  (prospect) =>
    idle(
      'backoff',
      prospect,
      OWN_WAITS.includes(prospect.axes.backoffModel),
      `${prospect.axes.backoffModel} keeps its own waits`,
    ),
  (prospect) => {
    const { heeds, axes } = prospect;
    const paced =
      axes.drain === 'paced' ||
      (heeds.includes('retire') && axes.retire === 'paced') ||
      heeds.includes('handoffBy') ||
      heeds.includes('hpaDuring');
    return idle('drainOver', prospect, !paced, 'nothing drains at a pace');
  },
  ({ axes: { podCpu, pods }, builtIn, calmUse = 0 }) => {
    if (podCpu === undefined || !builtIn) return undefined;
    const load = calmUse / podCpu;
    const others = pods > 1 ? (load * pods) / (pods - 1) : 0;
    const busy = (share: number) =>
      `busy for ${Math.round(100 * share)} % of its time (--pod-cpu ${AXES.podCpu.show(podCpu)})`;
    if (load >= 1)
      return `The pings of its clients alone keep a pod ${busy(load)}: it falls without any release.`;
    return (
      others >= 1 &&
      `Without one of the ${pods} pods the pings of all clients keep each of the others ${busy(others)}: losing one takes the others with it.`
    );
  },
  ({ axes: { podCpu }, typed, builtIn }) => {
    const costs = (['handshakeCpu', 'messageCpu'] as const).filter((axis) => typed.has(axis));
    return (
      builtIn &&
      podCpu === undefined &&
      costs.length > 0 &&
      `Without --pod-cpu nobody waits for what ${costs.map(option).join(' and ')} cost${costs.length === 1 ? 's' : ''}: only the CPU use that an autoscaler sees follows from it.`
    );
  },
  (prospect) =>
    LIMITS.map((axis) => idle(axis, prospect, !prospect.builtIn, 'only the built-in gateway heeds it')).find(
      (warning) => warning,
    ),
  (prospect) =>
    idle('connectionMemory', prospect, prospect.axes.podMemory === undefined, 'it counts with --pod-memory'),
  (prospect) =>
    idle('recoverWithin', prospect, prospect.axes.podCpu === undefined, 'it is judged with --pod-cpu'),
];

/** What only the built-in gateway heeds. */
const LIMITS = ['podCpu', 'podMemory', 'connectionMemory', 'admission', 'maxAge'] as const;

/** What makes the result of a cell meaningless or surprising, known before it is played: a sentence each. */
export const warningsBefore = (prospect: Prospect): string[] => RULES.flatMap((rule) => rule(prospect) || []);

/** An option was typed that none of the strategies heeds. */
export const unheeded = (axis: AxisName, text: string, heeders: readonly string[]): string =>
  `${option(axis)} ${text} changes nothing: only ${new Intl.ListFormat('en-GB').format(heeders)} heed${heeders.length === 1 ? 's' : ''} it.`;

/** A warning and the names of the cells that it is about; none where it is about all of them. */
export interface Told {
  readonly warning: string;
  readonly cells: readonly string[];
}

/** Each warning once, in the order in which they first come. */
export function told(
  cells: readonly { readonly name: string; readonly warnings: readonly string[] }[],
): Told[] {
  const about = new Map<string, string[]>();
  for (const { name, warnings } of cells)
    for (const warning of new Set(warnings)) about.set(warning, [...(about.get(warning) ?? []), name]);
  return [...about].map(([warning, names]) => ({
    warning,
    cells: names.length === cells.length ? [] : names,
  }));
}

/** The cells of a warning in a few words; undefined where it is about all of them. */
export function aboutCells({ cells }: Told): string | undefined {
  if (cells.length === 0) return undefined;
  const more = cells.length - MOST_NAMED;
  return `${cells.slice(0, MOST_NAMED).join('; ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** A warning as a line of a terminal; what came out of a log can hold no control characters there. */
export function warningLine(one: Told): string {
  const about = aboutCells(one);
  return `warning: ${about === undefined ? '' : `${about}: `}${one.warning}`.replace(/\p{Cc}+/gu, ' ');
}

/** The speed was chosen, but not heeded: a virtual clock does not run by itself, a real one not otherwise. */
export const speedUnheeded = (typed: number, cluster: string, actual: number): string | undefined =>
  typed === actual
    ? undefined
    : `--speed ${typed} changes nothing: time on ${cluster} is ${Number.isFinite(actual) ? 'real' : 'virtual'}.`;

/** What only the played cell shows: a rollback that came after the whole release. */
export function warningsAfter({ axes, rollsBack }: CellHeader, steps: readonly StepSpan[]): string[] {
  const released = steps.filter(({ phase }) => phase === 'release');
  const begin = released[0]?.begin;
  const back = steps.find(({ phase }) => phase === 'rollback')?.begin;
  if (
    axes.rollbackAfter === undefined ||
    rollsBack !== undefined ||
    begin === undefined ||
    back === undefined
  )
    return [];
  // A step that was interrupted has no end; where the interruption fell between two, its time has come.
  if (released.some(({ end }) => end === null) || back - begin >= 0.99 * axes.rollbackAfter) return [];
  return [
    `The release was over after ${time(back - begin)}, before --rollback-after ${time(axes.rollbackAfter)}: nothing was interrupted, and what was rolled back is a whole release.`,
  ];
}
