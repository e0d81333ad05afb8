import { AXES, type Axes, type AxisName, optionName } from '../contracts/axes.ts';
import type { CellHeader } from '../contracts/event.ts';
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
  /** External passthrough balancer, tracking table (FACTS A3). */
  tracking: 60_000,
  /** kube-proxy's IPVS, TCP (FACTS B4). */
  ipvs: 900_000,
  /** Envoy, stream_idle_timeout (FACTS G). */
  stream: 300_000,
} as const;

/**
 * From a node's last endpoint to the moment when a balancer has taken the node out under externalTrafficPolicy Local,
 * health checks and one time-out together (FACTS A2), and whether established flows are moved away with it.
 */
const DETECTION: Readonly<Record<string, { least: Millis; most: Millis; moves: boolean }>> = {
  'target-pool': { least: 16_000, most: 26_000, moves: true },
  'backend-service': { least: 3000, most: 8000, moves: false },
};

/** Models named after a library keep that library's own waits (FACTS I). */
const OWN_WAITS: readonly string[] = ['socket.io', 'reconnecting-websocket', 'signalr', 'phoenix'];

/** Cells that one warning names. */
const MOST_NAMED = 3;

type Rule = (prospect: Prospect) => string | undefined | false;

const option = (axis: AxisName) => `--${optionName(axis)}`;
const time = formatDuration;

/** Whether pods end while they still hold clients: replaced by the controller, scaled away, or retired at once. */
const endsWithClients = ({ heeds, axes }: Prospect) =>
  heeds.includes('maxSurge') || (heeds.includes('retire') && axes.retire === 'abrupt');
const endsPods = (heeds: readonly AxisName[]) =>
  (['maxSurge', 'retire', 'handoffBy'] as const).some((axis) => heeds.includes(axis));
/** Pods are replaced one after the other behind one Service, so that a node loses its last one while another serves. */
const replacesPods = ({ heeds, axes }: Prospect) =>
  heeds.includes('maxSurge') && (!heeds.includes('hpaDuring') || axes.hpaDuring === 'rolling-update');

const silent = (heartbeat: Millis, limit: Millis, who: string, does: string) =>
  heartbeat >= limit &&
  `The heartbeat (${time(heartbeat)}) is not shorter than the ${time(limit)} after which ${who}: ${does}.`;

/** An option was typed that this cell's other values make idle. */
const idle = (axis: AxisName, { typed }: Prospect, holds: boolean, why: string) =>
  typed.has(axis) && holds && `${option(axis)} changes nothing in this cell: ${why}.`;

/** Kubernetes and nginx count these in whole seconds, and the manifests of a cell round them up. */
const rounded = (axis: AxisName, value: Millis) =>
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
  (prospect) => {
    const { drain, drainOver, preStop, grace } = prospect.axes;
    const left = Math.max(grace - preStop, LEAST_GRACE);
    if (!prospect.builtIn || drain !== 'paced' || !endsWithClients(prospect) || drainOver <= left)
      return undefined;
    const killed = Math.round(100 * (1 - left / drainOver));
    return `The paced drain takes ${time(drainOver)}${preStop > 0 ? ` after a preStop hook of ${time(preStop)}` : ''}, but the grace period is ${time(grace)}: SIGKILL ends about ${killed} % of a pod's connections at once, before they were asked to go.`;
  },
  (prospect) => {
    const { policy, preStop, balancer, balancerStickiness, nodes } = prospect.axes;
    const detection = Object.hasOwn(DETECTION, balancer) ? DETECTION[balancer] : undefined;
    if (policy !== 'Local' || preStop === 0 || nodes < 2 || !replacesPods(prospect) || !detection)
      return undefined;
    const { least, most, moves } = detection;
    const when = `${time(least)} to ${time(most)}`;
    if (preStop < most)
      return `With policy Local a preStop hook of ${time(preStop)} may be over before the balancer has taken the node out, ${when} after its last pod left the endpoints: until then new connections to that node are lost.`;
    return (
      moves &&
      balancerStickiness === 'rehash' &&
      `With policy Local the balancer moves a node's connections away ${when} after its last pod left the endpoints, although the preStop hook keeps that pod serving for ${time(preStop)}: they are reset then, before the gateway drains.`
    );
  },
  ({ axes: { heartbeat, proxyReadTimeout }, heeds }) =>
    heeds.includes('proxyReadTimeout') &&
    silent(
      heartbeat,
      proxyReadTimeout,
      'nginx ends a silent connection (proxy-read-timeout)',
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
  ({ axes: { heartbeat, proxy } }) =>
    proxy === 'ipvs' &&
    silent(
      heartbeat,
      IDLE.ipvs,
      'IPVS forgets a silent connection',
      "each client's next packet is answered with a reset, release or not",
    ),
  ({ axes: { heartbeat, balancer, balancerStickiness } }) =>
    (balancer === 'backend-service' || (balancer === 'target-pool' && balancerStickiness === 'persist')) &&
    silent(
      heartbeat,
      IDLE.tracking,
      'the balancer forgets a tracked connection',
      'it does not hold connections on nodes that become unhealthy, but hashes them anew',
    ),
  ({ axes: { nodes, pods }, heeds }) =>
    heeds.includes('churn') &&
    pods >= nodes &&
    'Every node carries a pod, so that none is replaced: nothing happens in this cell.',
  (prospect) =>
    idle(
      'balancerStickiness',
      prospect,
      prospect.axes.balancer !== 'target-pool',
      'only a target pool heeds it',
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
const LIMITS = ['podCpu', 'podMemory', 'connectionMemory', 'admission'] as const;

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
