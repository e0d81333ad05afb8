import { HEEDERS } from '../../scenarios/index.ts';
import { AXES, type Axes, type AxisName, optionName } from '../contracts/axes.ts';
import type { Strategy } from '../contracts/scenario.ts';

/** The options that most people need first, in this order. */
export const FIRST =
  'The twelve that most people need first (an axis takes several values, separated by commas):';
export const FIRST_OPTIONS: readonly string[] = [
  'cluster',
  'policy',
  'nodes',
  'pods',
  'clients',
  'backoff',
  'heartbeat',
  'drain',
  'grace',
  'rollback-after',
  'config',
  'out',
];

/** The axes that every strategy is played with, by what heeds them; those of single strategies say so themselves. */
const HEEDED_BY: Readonly<Record<string, readonly AxisName[]>> = {
  'The Service and its balancer:': ['balancer', 'affinity', 'trafficDistribution', 'secondService'],
  'Nodes and their dataplane:': ['kubernetes', 'proxy', 'tcpLoose'],
  'Clients:': ['backoffModel', 'clientsBehind', 'connectTimeout', 'keepalive', 'recoverWithin'],
  'The gateway:': [
    'drainOver',
    'preStop',
    'podStart',
    'probePeriod',
    'probeTimeout',
    'probeFailures',
    'minReady',
    'handshakeCpu',
    'messageCpu',
    'podCpu',
    'podMemory',
    'connectionMemory',
    'admission',
    'maxAge',
  ],
};

/** Under which heading an axis stands in the help, and in which order the headings come. */
export function axisGroups(): Map<AxisName, string> {
  const groups = new Map<AxisName, string>();
  for (const name of FIRST_OPTIONS)
    for (const axis of Object.keys(AXES) as AxisName[])
      if (optionName(axis) === name) groups.set(axis, FIRST);
  for (const [heading, axes] of Object.entries(HEEDED_BY)) for (const axis of axes) groups.set(axis, heading);
  for (const [axis, names] of HEEDERS) groups.set(axis, `Only ${names.join(', ')}:`);
  return groups;
}

/** What each strategy sets by itself: its defaults, and what `all` plays it with as well. */
export function strategyDefaults(strategies: readonly Strategy[]): string {
  const typed = (texts: Strategy['defaults'] = {}) =>
    Object.entries(texts).map(([name, text]) => `--${optionName(name)} ${text}`);
  const lines = strategies.flatMap(({ name, defaults, variants }) => {
    const words = [
      ...typed(defaults),
      ...(variants === undefined ? [] : [`(in a comparison ${typed(variants).join(' ')})`]),
    ];
    return words.length === 0 ? [] : [`  ${name.padEnd(18)} ${words.join(' ')}`];
  });
  return `Strategies set by themselves, unless you type it:\n${lines.join('\n')}`;
}

/** The axes that a cell of this strategy is played with, as they would be typed. */
export function typedAxes(strategy: Strategy, axes: Axes): string {
  return (Object.keys(AXES) as AxisName[])
    .filter(
      (name) =>
        !strategy.ignores?.has(name) &&
        // What follows from another axis would not be `never` by itself.
        ((axes[name] as unknown) !== undefined || (AXES[name].follows !== undefined && name in axes)),
    )
    .map((name) => `--${optionName(name)} ${AXES[name].show(axes[name] as never)}`)
    .join(' ');
}
