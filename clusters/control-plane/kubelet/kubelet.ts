import type { V1Container, V1Pod, V1Probe } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import type { KubernetesBehaviour } from '../kubernetes-versions.ts';

const PROBES = ['startup', 'readiness', 'liveness'] as const;
export type ProbeName = (typeof PROBES)[number];

/** A container is given at least this long between SIGTERM and SIGKILL (kuberuntime_manager.go minimumGracePeriodInSeconds). */
const LEAST_GRACE: Millis = 2000;
/** CrashLoopBackOff: 10 s doubling to 5 min, forgotten after 10 minutes without a crash (kubelet.go, client-go backoff). */
const BACK_OFF = { first: 10_000, most: 300_000, forgottenAfter: 600_000 } as const;

interface ProbeConfig {
  readonly path: string;
  readonly port: number;
  readonly initialDelay: Millis;
  readonly period: Millis;
  readonly timeout: Millis;
  readonly successThreshold: number;
  readonly failureThreshold: number;
  /** terminationGracePeriodSeconds of the probe itself, where it has one. */
  readonly grace?: Millis;
}

/** What of a pod's spec its kubelet acts on; the first container stands for the pod. */
export interface KubeletConfig {
  readonly grace: Millis;
  /** `exec: sleep N` and `sleep` last that long; an HTTP GET until it is answered; another command fails at once, as one that is not in the image. */
  readonly preStop:
    | { readonly kind: 'none' | 'unknown' }
    | { readonly kind: 'sleep'; readonly for: Millis }
    | { readonly kind: 'http'; readonly path: string; readonly port: number };
  readonly probes: Readonly<Partial<Record<ProbeName, ProbeConfig>>>;
  readonly restarts: boolean;
  /** Since 1.21 a readiness probe is also run when the status of a started container that is not ready is written. */
  readonly triggersReadiness?: boolean;
}

interface ProbeState {
  /** The worker's next tick; ticks keep their phase over restarts. */
  readonly next: Millis;
  /** When the worker is woken between two ticks. */
  readonly triggered: Millis | undefined;
  readonly pending: boolean;
  readonly last: boolean | undefined;
  readonly run: number;
  /** What the threshold has let through: the result that counts. */
  readonly result: boolean | undefined;
  /** A failed liveness or startup probe asks no more until the container is a new one. */
  readonly onHold: boolean;
}

export interface KubeletState {
  readonly stage: 'starting' | 'running' | 'pre-stop' | 'stopping' | 'back-off' | 'finished' | 'gone';
  readonly deleting: boolean;
  readonly startedAt: Millis | undefined;
  readonly restarts: number;
  readonly probes: Readonly<Partial<Record<ProbeName, ProbeState>>>;
  /** pre-stop: when the hook began and the grace it began with. */
  readonly preStop: { readonly since: Millis; readonly grace: Millis } | undefined;
  /** What the stage waits for: the hook's limit, SIGKILL, or the restart. */
  readonly due: Millis | undefined;
  readonly backOff: { readonly delay: Millis; readonly since: Millis };
}

export type KubeletInput =
  /** `noticedAfter`: until the kubelet sees by itself that the container runs. */
  | { readonly type: 'started'; readonly noticedAfter?: Millis }
  | { readonly type: 'exited' }
  | { readonly type: 'probed'; readonly probe: ProbeName; readonly ok: boolean }
  /** Also for a second, shorter deletion. */
  | { readonly type: 'delete'; readonly grace: Millis }
  | { readonly type: 'preStopped' }
  /** Something that `wakeAt` named has come due. */
  | { readonly type: 'time' };

export type KubeletAction =
  | { readonly do: 'start' }
  | { readonly do: 'probe'; readonly probe: ProbeName }
  | { readonly do: 'preStop' }
  | { readonly do: 'signal'; readonly signal: 'SIGTERM' | 'SIGKILL' };

const seconds = (count: number | undefined): Millis => (count ?? 0) * 1000;

/** Reads the part of a defaulted pod that its kubelet acts on. `firstProbe`: as its release does; default: as 1.20. */
export function kubeletConfig(
  pod: V1Pod,
  { firstProbe }: Partial<Pick<KubernetesBehaviour, 'firstProbe'>> = {},
): KubeletConfig {
  const container = pod.spec?.containers[0];
  const probes: Partial<Record<ProbeName, ProbeConfig>> = {};
  for (const name of PROBES) {
    const config = probeConfig(container, container?.[`${name}Probe`]);
    if (config !== undefined) probes[name] = config;
  }
  return {
    grace: seconds(pod.spec?.terminationGracePeriodSeconds),
    preStop: preStop(container),
    probes,
    restarts: pod.spec?.restartPolicy !== 'Never',
    ...(firstProbe === 'triggered' ? { triggersReadiness: true } : {}),
  };
}

function probeConfig(
  container: V1Container | undefined,
  probe: V1Probe | undefined,
): ProbeConfig | undefined {
  if (probe?.httpGet === undefined) return undefined;
  return {
    path: probe.httpGet.path ?? '/',
    port: portNumber(container, probe.httpGet.port),
    initialDelay: seconds(probe.initialDelaySeconds),
    period: seconds(probe.periodSeconds),
    timeout: seconds(probe.timeoutSeconds),
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? 3,
    ...(probe.terminationGracePeriodSeconds === undefined
      ? {}
      : { grace: seconds(probe.terminationGracePeriodSeconds) }),
  };
}

function preStop(container: V1Container | undefined): KubeletConfig['preStop'] {
  const hook = container?.lifecycle?.preStop;
  if (hook === undefined) return { kind: 'none' };
  if (hook.httpGet)
    return { kind: 'http', path: hook.httpGet.path ?? '/', port: portNumber(container, hook.httpGet.port) };
  if (hook.sleep) return { kind: 'sleep', for: seconds(hook.sleep.seconds) };
  const slept = /^(?:\S*\/)?(?:sh -c )?sleep (\d+(?:\.\d+)?)s?$/.exec(hook.exec?.command?.join(' ') ?? '');
  return slept ? { kind: 'sleep', for: Math.round(Number(slept[1]) * 1000) } : { kind: 'unknown' };
}

const portNumber = (container: V1Container | undefined, port: number | string): number =>
  typeof port === 'number'
    ? port
    : (container?.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port));

/**
 * A pod that its kubelet has begun to start. Up to 1.20 each probe's worker sleeps a random part of its period before
 * it ticks for the first time (k8s pkg/kubelet/prober/worker.go): `phase` draws that part.
 */
export function createKubelet(
  config: KubeletConfig,
  phase: (probe: ProbeName, period: Millis) => Millis,
  now: Millis,
): KubeletState {
  const probes: Partial<Record<ProbeName, ProbeState>> = {};
  for (const name of PROBES) {
    const probe = config.probes[name];
    if (probe === undefined) continue;
    const next = now + phase(name, probe.period);
    probes[name] = {
      next,
      triggered: undefined,
      pending: false,
      last: undefined,
      run: 0,
      result: initial(name),
      onHold: false,
    };
  }
  return {
    stage: 'starting',
    deleting: false,
    startedAt: undefined,
    restarts: 0,
    probes,
    preStop: undefined,
    due: undefined,
    backOff: { delay: 0, since: now },
  };
}

const initial = (probe: ProbeName) => ({ startup: undefined, readiness: false, liveness: true })[probe];

/** Whether the container's process is there: started, and not yet known to have exited. */
const runs = ({ stage, startedAt }: KubeletState) =>
  startedAt !== undefined && (stage === 'running' || stage === 'pre-stop' || stage === 'stopping');

const hasStarted = ({ probes }: KubeletState) =>
  probes.startup === undefined || probes.startup.result === true;

/** The container's Ready; a terminating one stays ready as long as it runs and its probe succeeds. */
export const isReady = (state: KubeletState) =>
  runs(state) && hasStarted(state) && (state.probes.readiness?.result ?? true);

/** When the next thing happens that only time brings. */
export function wakeAt(state: KubeletState): Millis | undefined {
  const times = state.due === undefined ? [] : [state.due];
  if (runs(state))
    for (const name of PROBES) {
      const probe = state.probes[name];
      if (probe !== undefined && asks(state, name))
        times.push(Math.min(probe.next, probe.triggered ?? probe.next));
    }
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** Whether this probe's worker asks at its ticks: liveness and startup stop when the pod is deleted, readiness goes on. */
function asks(state: KubeletState, name: ProbeName): boolean {
  if (state.probes[name]?.onHold) return false;
  if (state.deleting && name !== 'readiness') return false;
  return name === 'startup' ? !hasStarted(state) : hasStarted(state);
}

interface Step {
  readonly state: KubeletState;
  readonly actions: readonly KubeletAction[];
}

const still = (state: KubeletState): Step => ({ state, actions: [] });

/** What the kubelet does about one input (k8s pkg/kubelet/{prober,kuberuntime,pod_workers}). */
export function step(config: KubeletConfig, state: KubeletState, input: KubeletInput, now: Millis): Step {
  switch (input.type) {
    case 'started':
      return state.stage === 'starting'
        ? still(begin(config, state, now, input.noticedAfter ?? 0))
        : still({ ...state, startedAt: now });
    case 'exited':
      return still(exited(config, state, now));
    case 'probed':
      return probed(config, state, input.probe, input.ok, now);
    case 'delete':
      return deleted(config, state, input.grace, now);
    case 'preStopped':
      return state.stage === 'pre-stop' ? terminate(state, now) : still(state);
    case 'time':
      return tick(config, state, now);
  }
}

/** A new container: its probes start from their initial results, in their old phase. */
function begin(config: KubeletConfig, state: KubeletState, now: Millis, noticedAfter: Millis): KubeletState {
  const probes = { ...state.probes };
  for (const name of PROBES) {
    const probe = probes[name];
    if (probe !== undefined)
      probes[name] = { ...probe, result: initial(name), onHold: false, pending: false };
  }
  const inPhase = trigger(config, skipPassed(config, probes, now), now + noticedAfter);
  return { ...state, stage: 'running', startedAt: now, probes: inPhase };
}

/** Writing the status of a container that is not ready wakes its readiness worker (prober_manager.go UpdatePodStatus). */
function trigger(config: KubeletConfig, probes: KubeletState['probes'], at: Millis): KubeletState['probes'] {
  const { readiness } = probes;
  if (!config.triggersReadiness || readiness === undefined || readiness.result === true) return probes;
  return { ...probes, readiness: { ...readiness, triggered: at } };
}

/** Ticks at which the worker had nothing to ask are over; the next one is the first from now on, in phase. */
function skipPassed(
  config: KubeletConfig,
  given: KubeletState['probes'],
  now: Millis,
): KubeletState['probes'] {
  const probes = { ...given };
  for (const name of PROBES) {
    const probe = probes[name];
    const period = config.probes[name]?.period;
    if (probe !== undefined && period !== undefined && probe.next < now)
      probes[name] = { ...probe, next: probe.next + period * Math.ceil((now - probe.next) / period) };
  }
  return probes;
}

function exited(config: KubeletConfig, state: KubeletState, now: Millis): KubeletState {
  const ended = { ...state, startedAt: undefined, due: undefined, preStop: undefined };
  if (state.deleting) return { ...ended, stage: 'gone' };
  if (!config.restarts) return { ...ended, stage: 'finished' };
  const forgotten = now - state.backOff.since > BACK_OFF.forgottenAfter;
  const wait = forgotten ? 0 : state.backOff.delay;
  return {
    ...ended,
    stage: 'back-off',
    due: now + wait,
    backOff: forgotten ? { delay: 0, since: now } : state.backOff,
  };
}

function deleted(config: KubeletConfig, state: KubeletState, grace: Millis, now: Millis): Step {
  const marked = { ...state, deleting: true };
  switch (state.stage) {
    case 'running':
      return stop(config, marked, grace, now);
    case 'starting':
      // The process has been asked for but does not run yet: there is nothing a hook could talk to.
      return terminate({ ...marked, preStop: { since: now, grace } }, now);
    case 'pre-stop':
    case 'stopping': {
      const least = state.stage === 'stopping' ? Math.max(LEAST_GRACE, grace) : grace;
      return still({ ...marked, due: Math.min(state.due ?? Number.POSITIVE_INFINITY, now + least) });
    }
    default:
      return still({ ...marked, stage: 'gone', due: undefined });
  }
}

/** killContainer: the hook first, within the grace period, unless that is 0. */
function stop(config: KubeletConfig, state: KubeletState, grace: Millis, now: Millis): Step {
  const begun = { ...state, preStop: { since: now, grace } };
  if (config.preStop.kind === 'none' || config.preStop.kind === 'unknown' || grace <= 0)
    return terminate(begun, now);
  return { state: { ...begun, stage: 'pre-stop', due: now + grace }, actions: [{ do: 'preStop' }] };
}

/** SIGTERM, with what the hook has left of the grace period in whole seconds, at least 2 s, until SIGKILL. */
function terminate(state: KubeletState, now: Millis): Step {
  const { since, grace } = state.preStop ?? { since: now, grace: 0 };
  const used = Math.floor((now - since) / 1000) * 1000;
  const due = now + Math.max(LEAST_GRACE, grace - used);
  return {
    state: { ...state, stage: 'stopping', preStop: undefined, due },
    actions: [{ do: 'signal', signal: 'SIGTERM' }],
  };
}

function probed(config: KubeletConfig, state: KubeletState, name: ProbeName, ok: boolean, now: Millis): Step {
  const probe = state.probes[name];
  const settings = config.probes[name];
  if (probe === undefined || settings === undefined || !probe.pending || !runs(state)) return still(state);
  const run = probe.last === ok ? probe.run + 1 : 1;
  const counts = run >= (ok ? settings.successThreshold : settings.failureThreshold);
  const fatal = counts && !ok && name !== 'readiness';
  const after: ProbeState = {
    ...probe,
    pending: false,
    last: ok,
    run: fatal ? 0 : run,
    result: counts ? ok : probe.result,
    onHold: fatal,
  };
  const answered = { ...state.probes, [name]: after };
  const inPhase = name === 'startup' ? skipPassed(config, answered, now) : answered;
  // A result that is another one is written to the pod's status.
  const written = after.result !== probe.result && hasStarted({ ...state, probes: inPhase });
  const seen = { ...state, probes: written ? trigger(config, inPhase, now) : inPhase };
  if (!fatal || state.stage !== 'running') return still(seen);
  return stop(config, seen, settings.grace ?? config.grace, now);
}

function tick(config: KubeletConfig, state: KubeletState, now: Millis): Step {
  if (state.due !== undefined && state.due <= now) return overdue(state, now);
  const actions: KubeletAction[] = [];
  const probes = { ...state.probes };
  for (const name of PROBES) {
    const probe = probes[name];
    const settings = config.probes[name];
    if (probe === undefined || settings === undefined) continue;
    if (!runs(state) || !asks(state, name)) continue;
    const isTriggered = probe.triggered !== undefined && probe.triggered <= now;
    if (probe.next > now && !isTriggered) continue;
    const passed = probe.next > now ? 0 : Math.floor((now - probe.next) / settings.period) + 1;
    const next = probe.next + settings.period * passed;
    const early = now - (state.startedAt ?? now) < settings.initialDelay;
    const ask = !early && !probe.pending;
    const triggered = isTriggered ? undefined : probe.triggered;
    probes[name] = { ...probe, next, triggered, pending: probe.pending || ask };
    if (ask) actions.push({ do: 'probe', probe: name });
  }
  return { state: { ...state, probes }, actions };
}

function overdue(state: KubeletState, now: Millis): Step {
  switch (state.stage) {
    case 'pre-stop':
      return terminate(state, now);
    case 'stopping':
      return { state: { ...state, due: undefined }, actions: [{ do: 'signal', signal: 'SIGKILL' }] };
    case 'back-off': {
      const delay =
        state.backOff.delay === 0 ? BACK_OFF.first : Math.min(BACK_OFF.most, 2 * state.backOff.delay);
      return {
        state: {
          ...state,
          stage: 'starting',
          due: undefined,
          restarts: state.restarts + 1,
          backOff: { delay, since: now },
        },
        actions: [{ do: 'start' }],
      };
    }
    default:
      return still({ ...state, due: undefined });
  }
}
