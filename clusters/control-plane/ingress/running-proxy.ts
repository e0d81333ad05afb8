import type { V1Pod } from '@kubernetes/client-node';
import type { HopEnd, TimedEvent } from '../../../harness/contracts/event.ts';
import { HarnessError } from '../../../harness/errors.ts';
import { type IngressProxy, PROXY_NAMES, proxyNamed } from '../../../harness/platforms/proxies.ts';
import { formatDuration, type Millis } from '../../../harness/time/duration.ts';

/** An ingress controller as its pod's environment says that it is. */
export interface RunningProxy {
  readonly pod: string;
  readonly port: number;
  readonly healthPort: number;
  readonly proxy: IngressProxy;
  /** So long a reload's old workers keep their connections; undefined: until the last has ended. */
  readonly keeps: Millis | undefined;
  /** A connection that is silent for so long is ended; undefined: never. */
  readonly idle: Millis | undefined;
  /** A connection is ended at this age; undefined: never. */
  readonly lifetime: Millis | undefined;
}

/** Reads the environment; times are in milliseconds or `never`. @throws HarnessError for a proxy that no table has. */
export function runningProxy(env: Readonly<Record<string, string>>): RunningProxy {
  const { INGRESS = 'ingress-nginx', WORKER_SHUTDOWN_TIMEOUT, IDLE_TIMEOUT, LIFETIME } = env;
  const proxy = proxyNamed(INGRESS);
  if (proxy === undefined)
    throw new HarnessError(`Cannot run ingress ${INGRESS}: known are ${PROXY_NAMES.join(', ')}`);
  const time = (text: string | undefined, own: Millis | undefined) =>
    text === undefined ? own : text === 'never' ? undefined : Number(text);
  return {
    pod: env.POD_NAME ?? 'ingress',
    port: Number(env.PORT ?? 8080),
    // As ingress-nginx has it.
    healthPort: Number(env.HEALTH_PORT ?? 10_254),
    proxy,
    keeps: time(WORKER_SHUTDOWN_TIMEOUT, proxy.reload.keeps),
    idle: time(IDLE_TIMEOUT, proxy.idle.after),
    lifetime: time(LIFETIME, proxy.lifetime),
  };
}

/** The same of a pod as the API has it. */
export const runningIn = ({ spec }: V1Pod): RunningProxy =>
  runningProxy(
    Object.fromEntries(
      (spec?.containers[0]?.env ?? []).flatMap(({ name, value }) =>
        value === undefined ? [] : [[name, value]],
      ),
    ),
  );

/** What a proxy does to the connections it holds. */
export interface HopAct {
  readonly act: 'reload' | 'quit' | 'shutdown' | 'terminated' | 'idle' | 'lifetime' | 'killed';
  readonly connections: number;
  /** When that was done which has now ended these connections. */
  readonly since?: Millis;
}

/** So long connections may stay, in words. */
const stay = (keeps: Millis | undefined, setting: string) =>
  keeps === undefined
    ? `until they end by themselves (no ${setting})`
    : `for at most ${formatDuration(keeps)} (${setting})`;

/** What the act did, and how it ends connections; undefined: they live on for now. */
function told(
  act: HopAct['act'],
  { proxy, keeps, idle, lifetime }: RunningProxy,
): readonly [string, HopEnd?] {
  const { title, reload, termination } = proxy;
  switch (act) {
    case 'reload':
      return [
        `${title} ${reload.did}; connections stay with ${reload.holder} ${stay(keeps, reload.setting)}`,
      ];
    case 'quit':
      return [
        termination.keeps === 'reload'
          ? `${title} quits; connections stay with ${reload.holder} ${stay(keeps, reload.setting)}`
          : `${title} is told to end; connections stay for at most ${formatDuration(termination.keeps)}`,
      ];
    case 'shutdown':
      return [`${title}: ${reload.setting} is over: what ${reload.holder} still held is ended`, reload.ends];
    case 'terminated':
      return [`${title} ends, as it was told to, and its connections with it`, 'ended'];
    case 'idle':
      return [
        `${title} ends a connection that was silent for ${proxy.idle.setting}${idle === undefined ? '' : ` (${formatDuration(idle)})`}`,
        'idle',
      ];
    case 'lifetime':
      return [
        `${title} ends a connection at the age of ${formatDuration(lifetime ?? 0)}, silent or not`,
        'lifetime',
      ];
    case 'killed':
      return [`${title} is killed, and its connections with it`, 'ended'];
  }
}

/** The same words for it from a modelled proxy and a real one. */
export function hopEvent(
  running: RunningProxy,
  { act, connections, since }: HopAct,
): Extract<TimedEvent, { type: 'hop' }> {
  const [did, ends] = told(act, running);
  return {
    type: 'hop',
    hop: running.pod,
    did,
    connections,
    ...(ends === undefined ? { kept: true } : { act: ends }),
    ...(since === undefined ? {} : { since }),
  };
}
