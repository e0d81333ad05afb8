import type { Axes, AxisName } from '../contracts/axes.ts';
import { AXES } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import { effortOf } from '../contracts/requirements.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { needsOf } from '../contracts/scenario.ts';
import { clientProtocol } from './client-protocol.ts';

/** Axes that say what the built-in gateway does; a gateway of the user's own does what it does. */
const BUILT_IN: readonly AxisName[] = ['drain', 'podStart', 'handshakeCpu', 'messageCpu'];

/** Why a strategy cannot be played with the user's own gateway, or undefined. */
export function refusesOwn(
  { gateway, asks }: Config,
  strategy: Strategy,
  provider: Provider,
  axes: Axes,
): string | undefined {
  const requires = strategy.requires(axes);
  const { admin } = gateway;
  if (
    requires.includes('a gateway that fails its readiness on request') &&
    admin?.failReadiness === undefined
  )
    return 'it needs a gateway that fails its readiness on request, and the configuration names no gateway.admin.failReadiness';
  if (requires.includes('a gateway that drains on request') && admin?.drain === undefined)
    return 'it needs a gateway that drains on request, and the configuration names no gateway.admin.drain';
  if (requires.includes('clients that reconnect when a message asks them to') && asks === undefined)
    return 'its clients are asked by a message, and the configuration does not say how to know it (asks)';
  if (provider.runs === undefined) return undefined;
  if (requires.some((requirement) => effortOf(requirement) === 'rebuild'))
    return 'it needs a gateway built for it, and is played with the built-in one only';
  if (needsOf(strategy, axes).includes('autoscaler'))
    return "it is about the built-in gateway's own cost, and is played with that one only";
  if (provider.runs === 'command' && gateway.command === undefined)
    return `${provider.name} runs a command, and the configuration names no gateway.command`;
  if (provider.runs === 'image' && gateway.image === undefined && gateway.chart === undefined)
    return `${provider.name} runs images, and the configuration names neither gateway.image nor gateway.chart`;
  const set = BUILT_IN.filter((name) => axes[name] !== AXES[name].schema.parse(AXES[name].fallback));
  if (set.length > 0)
    return `${set.join(' and ')} ${set.length === 1 ? 'is' : 'are'} for the built-in gateway; how yours ends its connections is its own affair`;
  return undefined;
}

type PerVersion = NonNullable<Config['gateway']['image'] | Config['gateway']['command']>;

/** What runs, or what runs as each version. */
function each(value: PerVersion): string {
  if (Array.isArray(value)) return value.join(' ');
  return typeof value === 'object' ? `${each(value.v1)} (v1), ${each(value.v2)} (v2)` : value;
}

/** What a cluster that runs this would run; a chart's values are not shown, they may hold secrets. */
function what({ command, image, chart }: Config['gateway'], runs: Provider['runs']): string {
  if (command !== undefined && (runs !== 'image' || (image ?? chart) === undefined))
    return `command ${each(command)}`;
  if (chart === undefined) return `image ${each(image ?? '')}`;
  const version = chart.version === undefined ? '' : ` ${each(chart.version)}`;
  return `chart ${chart.name}${version}${image === undefined ? '' : ` with image ${each(image)}`}`;
}

/** What the report says of the user's own gateway on a cluster; no header's value is in it. */
export function gatewayFact(config: Config, provider: Provider): string {
  const { gateway, clients } = config;
  const headers = Object.keys(clients.headers);
  const sent = headers.length === 0 ? '' : `; clients send ${headers.join(', ')} (values not shown)`;
  const runs = provider.runs === undefined ? 'the modelled gateway stands for your own' : 'your own';
  return clientProtocol(config).redact(
    `${runs}: ${what(gateway, provider.runs)}, port ${gateway.port}, path ${gateway.path}${sent}`,
  );
}

/** Whether a request to the admin port is the one that lets clients go. */
export const drainsOwn = ({ gateway: { admin } }: Config, path: string): boolean =>
  admin?.drain !== undefined && path.split('?')[0] === admin.drain.split('?')[0];

/**
 * What a strategy asks of the built-in gateway's admin port (`/fail-readiness`, `/drain?over=300000&how=close`) in the
 * words of the user's own. @throws RangeError for what the configuration does not name, which `refusesOwn` prevents.
 */
export function ownAdminPath({ gateway: { admin } }: Config, request: string): string {
  const { pathname, searchParams } = new URL(request, 'http://gateway');
  const template = {
    '/fail-readiness': admin?.failReadiness,
    '/restore-readiness': admin?.restoreReadiness,
    '/drain': admin?.drain,
  }[pathname];
  if (template === undefined) throw new RangeError(`The configuration names nothing for ${pathname}`);
  const over = Number(searchParams.get('over') ?? 0);
  return template
    .replaceAll('{millis}', String(over))
    .replaceAll('{seconds}', String(over / 1000))
    .replaceAll('{how}', searchParams.get('how') ?? 'close');
}
