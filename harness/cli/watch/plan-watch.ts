import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { dialProcesses } from '../../../clusters/netns/limits.ts';
import type { Speech } from '../../config/client-protocol.ts';
import { loadConfig } from '../../config/load-config.ts';
import {
  AXES,
  type Axes,
  type AxisName,
  type AxisTexts,
  defaultAxes,
  optionName,
} from '../../contracts/axes.ts';
import { addMistakes, UsageError } from '../../errors.ts';
import type { Tls } from '../../fleet/websocket.ts';
import { readAxes } from '../../run/plan.ts';
import { formatDuration, type Millis, parseDuration } from '../../time/duration.ts';
import type { TargetOptions } from '../../watch/target.ts';
import { checkOut, oneOf, wholeNumber } from '../checks.ts';
import { axisTexts } from '../options.ts';
import { ownTexts } from '../plan-run.ts';
import { typedFolder, typedPath } from '../typed-path.ts';
import { readHeaders, readReading } from './typed-speech.ts';
import type { WatchTyped } from './watch-options.ts';

/** What was typed for a watch, checked, and what follows from it. */
export interface WatchPlan {
  readonly target: Omit<TargetOptions, 'resolve'>;
  readonly axesOf: (found: AxisTexts) => Axes;
  readonly calm: Millis;
  readonly settle: Millis;
  readonly patience: Millis;
  /** How long to watch; undefined: until something else ends it. */
  readonly lasts: Millis | undefined;
  /** The most releases to take. */
  readonly most: number;
  /** Whether the cluster is looked at as well. */
  readonly looks: boolean;
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly seed: number;
  readonly notes: readonly string[];
}

/** What was typed, checked. @throws UsageError naming every mistake, before anything is made. */
export async function planWatch(
  url: string,
  command: readonly string[],
  options: WatchTyped,
): Promise<WatchPlan> {
  const mistakes: string[] = [];
  const notes: string[] = [];
  const where = readUrl(url, mistakes);
  const own = await ownSpeech(options, where, mistakes, notes);
  const texts = { ...own.texts, ...axisTexts(options) };
  const values = readAxes(texts, mistakes);
  for (const [name, list] of values)
    if (list.length > 1)
      mistakes.push(`--${optionName(name)} ${texts[name]}: a release is watched with one value, not several`);
  const axesOf = (found: AxisTexts): Axes => axesFrom({ ...found, ...texts });
  const time = (name: 'for' | 'calm' | 'settle' | 'patience'): Millis | undefined => {
    const typed = options[name];
    try {
      return typed === undefined ? undefined : parseDuration(typed);
    } catch (error) {
      addMistakes(
        mistakes,
        error instanceof UsageError ? new UsageError([`--${name}: ${error.message}`]) : error,
      );
      return undefined;
    }
  };
  const looks = [options.service, options.namespace, options.context, options.kubeconfig].some(
    (one) => one !== undefined,
  );
  const [lasts, calm, settle, patience] = [time('for'), time('calm'), time('settle'), time('patience')];
  const listen = readListen(options, mistakes);
  if (options.gate && options.listen === undefined)
    mistakes.push('--gate: where is it to be asked? give --listen HOST:PORT');
  if (command.length > 0)
    for (const name of ['for', 'gate', 'releases'] as const)
      if (options[name] !== undefined)
        mistakes.push(`--${name}: the command is the release; leave one of them out`);
  const once = looks && options.gate === undefined && lasts === undefined ? 1 : Number.POSITIVE_INFINITY;
  const most =
    options.releases === undefined ? once : wholeNumber('releases', options.releases, [1, 1000], mistakes);
  const seed = wholeNumber('seed', options.seed, [0, 2 ** 31 - 1], mistakes);
  oneOf('format', options.format, ['text', 'json'], mistakes);
  checkOut(options.out, mistakes);
  const addresses = options.address?.split(',').map((one) => one.trim().replace(/^\[|\]$/g, ''));
  for (const address of addresses ?? [])
    if (!z.union([z.ipv4(), z.ipv6()]).safeParse(address).success)
      mistakes.push(`--address ${address}: must be an IPv4 or IPv6 address`);
  const tls = readTls(options, where, mistakes);
  if (mistakes.length > 0 || where === undefined) throw new UsageError(mistakes);
  const axes = axesOf({});
  return {
    target: {
      url: where,
      ttl: Math.max(1000, axes.dnsTtl),
      speech: own.speech,
      processes: dialProcesses(axes),
      ...(addresses === undefined ? {} : { addresses }),
      ...(tls === undefined ? {} : { tls }),
    },
    axesOf,
    calm: calm ?? axes.heartbeat,
    settle: settle ?? 0,
    patience: patience ?? 3 * axes.backoff + 60_000,
    lasts,
    most,
    looks,
    listen,
    seed,
    notes: [
      ...notes,
      `${axes.clients} clients, heartbeat ${formatDuration(axes.heartbeat)}, longest back-off ${formatDuration(axes.backoff)}`,
    ],
  };
}

function readUrl(text: string, mistakes: string[]): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'ws:' || url?.protocol === 'wss:') return url;
  mistakes.push(`${text}: must be the url of a gateway, such as wss://gateway.example/ws`);
  return undefined;
}

/** Found values that name several, or none that is modelled, stay at their default. */
function axesFrom(texts: AxisTexts): Axes {
  const read = Object.entries(texts).flatMap(([name, text]) => {
    const result = AXES[name as AxisName].schema.safeParse(text);
    return result.success ? [[name, result.data] as const] : [];
  });
  return defaultAxes(Object.fromEntries(read));
}

function readListen({ listen }: WatchTyped, mistakes: string[]): WatchPlan['listen'] {
  if (listen === undefined) return undefined;
  const [, bracketed, plain, port = ''] = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+)$/.exec(listen) ?? [];
  const number = Number(port);
  if (port === '' || number > 65_535) {
    mistakes.push(`--listen ${listen}: must be HOST:PORT, [IPv6]:PORT or PORT`);
    return undefined;
  }
  return { host: bracketed ?? plain ?? '127.0.0.1', port: number };
}

function readTls(
  { ca, cert, key, serverName, insecure }: WatchTyped,
  url: URL | undefined,
  mistakes: string[],
): Tls | undefined {
  const typed = { ca, cert, key, 'server-name': serverName, insecure };
  const used = Object.entries(typed).filter(([, value]) => value !== undefined);
  if (used.length === 0) return undefined;
  if (url?.protocol === 'ws:') mistakes.push(`--${used[0]?.[0]}: only a wss:// url is reached by TLS`);
  if ((cert === undefined) !== (key === undefined)) mistakes.push('--cert and --key go together');
  const pem = (name: string, file: string | undefined) => {
    if (file === undefined) return {};
    try {
      return { [name]: readFileSync(typedPath(file), 'utf8') };
    } catch (error) {
      mistakes.push(`--${name} ${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return {};
    }
  };
  return {
    ...pem('ca', ca),
    ...pem('cert', cert),
    ...pem('key', key),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecure ? { verify: false } : {}),
  };
}

/** What clients speak: as typed, else as the configuration says; nothing of both: the built-in gateway's words. */
async function ownSpeech(
  options: WatchTyped,
  url: URL | undefined,
  mistakes: string[],
  notes: string[],
): Promise<{ speech: Speech | undefined; texts: AxisTexts }> {
  const { config: file, header, subprotocol } = options;
  const path = url === undefined ? '/' : `${url.pathname}${url.search}`;
  const version = readReading('version-from', options.versionFrom, mistakes);
  const pod = readReading('pod-from', options.podFrom, mistakes);
  const headers = readHeaders(header, mistakes);
  let config: Awaited<ReturnType<typeof loadConfig>>;
  try {
    const folders = [typedFolder(), process.cwd()];
    if (file !== false) config = await loadConfig(typeof file === 'string' ? file : undefined, folders);
  } catch (error) {
    addMistakes(mistakes, error);
  }
  if (config !== undefined)
    notes.push(`what the gateway says is read as ${config.file} says (--no-config: as typed)`);
  const { clients } = config?.config ?? { clients: { headers: {}, subprotocols: [] } };
  const speech: Speech = {
    gateway: { path },
    version: version ?? config?.config.version,
    pod: pod ?? config?.config.pod,
    asks: config?.config.asks,
    versions: config?.config.versions ?? { v1: 'v1', v2: 'v2' },
    clients: {
      ...clients,
      headers: { ...clients.headers, ...headers },
      subprotocols: subprotocol.length > 0 ? [...subprotocol] : clients.subprotocols,
    },
  };
  return { speech, texts: ownTexts(config?.config) };
}
