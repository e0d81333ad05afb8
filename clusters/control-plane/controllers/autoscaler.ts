import type { V2HorizontalPodAutoscaler, V2HPAScalingRules } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import type { Calculation } from './replica-calculator.ts';

/** --horizontal-pod-autoscaler-downscale-stabilization. */
const DOWNSCALE_STABILIZATION: Millis = 300_000;

interface Recommendation {
  readonly at: Millis;
  readonly replicas: number;
}

interface ScaleEvent {
  readonly at: Millis;
  /** Replicas added or taken, positive. */
  readonly change: number;
}

/** What an autoscaler remembers between two syncs. */
export interface AutoscalerState {
  readonly recommendations: readonly Recommendation[];
  readonly ups: readonly ScaleEvent[];
  readonly downs: readonly ScaleEvent[];
}

export const newAutoscaler: AutoscalerState = { recommendations: [], ups: [], downs: [] };

/** What one metric of the autoscaler asks for. */
export interface Proposal {
  /** As a person would call it, such as `cpu` or `connections (Value)`. */
  readonly metric: string;
  /** What it is measured in, as it follows the number: ` %`. */
  readonly unit?: string;
  readonly calculation: Calculation;
}

export interface Decision {
  readonly state: AutoscalerState;
  /** The target's new spec.replicas; the present one when it stays. */
  readonly desired: number;
  /** What it was decided from, in upstream's words where it has any. */
  readonly why: string;
}

type Rules = Required<Pick<V2HPAScalingRules, 'selectPolicy' | 'policies' | 'stabilizationWindowSeconds'>>;

/**
 * One sync of a HorizontalPodAutoscaler (k8s pkg/controller/podautoscaler/horizontal.go): the largest proposal,
 * stabilised over recent ones, limited by scaling policies and by minReplicas and maxReplicas. `propose` is asked
 * only where metrics matter.
 */
export function autoscale(
  autoscaler: V2HorizontalPodAutoscaler,
  state: AutoscalerState,
  current: number,
  propose: () => readonly Proposal[],
  now: Millis,
): Decision {
  const least = autoscaler.spec?.minReplicas ?? 1;
  const most = autoscaler.spec?.maxReplicas ?? current;
  // The first recommendation is what there was, so that a new autoscaler does not scale down at once.
  const known =
    state.recommendations.length > 0
      ? state
      : { ...state, recommendations: [{ at: now, replicas: current }] };
  const keep = (why: string): Decision => ({ state: known, desired: current, why });
  if (current === 0 && least !== 0)
    return keep('scaling is disabled since the replica count of the target is zero');
  if (current > most)
    return rescaled(
      autoscaler,
      known,
      current,
      most,
      'Current number of replicas above Spec.MaxReplicas',
      now,
    );
  if (current < least)
    return rescaled(
      autoscaler,
      known,
      current,
      least,
      'Current number of replicas below Spec.MinReplicas',
      now,
    );

  const proposals = propose();
  let proposed: { replicas: number; said: string } | undefined;
  const failures: string[] = [];
  for (const { metric, unit = '', calculation } of proposals)
    if ('failure' in calculation) failures.push(`${metric}: ${calculation.failure}`);
    else if (proposed === undefined || calculation.replicas > proposed.replicas)
      proposed = {
        replicas: calculation.replicas,
        said: `${metric} ${calculation.measured}${unit} asks for ${calculation.replicas}`,
      };
  // With some metrics missing it may scale up by the others, never down.
  if (proposed === undefined || (failures.length > 0 && proposed.replicas < current))
    return keep(`unable to compute the replica count: ${failures.join('; ')}`);

  const normalized = normalize(autoscaler, known, current, proposed.replicas, now);
  const { said } = proposed;
  const why = normalized.limit === undefined ? said : `${said}; ${normalized.limit}`;
  return rescaled(autoscaler, normalized.state, current, normalized.replicas, why, now);
}

/** Remembers the change for the policies that count changes in a period. */
function rescaled(
  { spec }: V2HorizontalPodAutoscaler,
  state: AutoscalerState,
  current: number,
  desired: number,
  why: string,
  now: Millis,
): Decision {
  if (desired === current || spec?.behavior === undefined) return { state, desired, why };
  const direction = desired > current ? 'ups' : 'downs';
  const rules =
    desired > current ? scaleUpRules(spec.behavior.scaleUp) : scaleDownRules(spec.behavior.scaleDown);
  const longest = Math.max(0, ...rules.policies.map(({ periodSeconds }) => periodSeconds)) * 1000;
  const recent = state[direction].filter(({ at }) => at >= now - longest);
  const events = [...recent, { at: now, change: Math.abs(desired - current) }];
  return { state: { ...state, [direction]: events }, desired, why };
}

interface Normalized {
  readonly state: AutoscalerState;
  readonly replicas: number;
  /** What held it back. */
  readonly limit: string | undefined;
}

function normalize(
  { spec }: V2HorizontalPodAutoscaler,
  state: AutoscalerState,
  current: number,
  proposed: number,
  now: Millis,
): Normalized {
  const least = spec?.minReplicas ?? 1;
  const most = spec?.maxReplicas ?? current;
  const behavior = spec?.behavior;
  const [up, down] = [scaleUpRules(behavior?.scaleUp), scaleDownRules(behavior?.scaleDown)];
  const windows =
    behavior === undefined
      ? { up: 0, down: DOWNSCALE_STABILIZATION }
      : { up: up.stabilizationWindowSeconds * 1000, down: down.stabilizationWindowSeconds * 1000 };
  const stable = stabilize(state.recommendations, current, proposed, windows, behavior === undefined, now);
  const limited =
    behavior === undefined
      ? withoutPolicies(current, stable, least, most)
      : withPolicies({ current, desired: stable, least, most, up, down, state }, now);
  const longest = Math.max(windows.up, windows.down);
  const recommendations = [
    ...state.recommendations.filter(({ at }) => at >= now - longest),
    { at: now, replicas: proposed },
  ];
  const stabilized =
    stable < proposed ? 'ScaleUpStabilized' : stable > proposed ? 'ScaleDownStabilized' : undefined;
  const reasons = [stabilized, limited.reason === 'DesiredWithinRange' ? undefined : limited.reason];
  const said = reasons.filter((reason) => reason !== undefined);
  return {
    state: { ...state, recommendations },
    replicas: limited.replicas,
    limit: said.length > 0 ? said.join(', ') : undefined,
  };
}

/**
 * Scales down only to the highest, and up only to the lowest, of what was recommended within the window
 * (stabilizeRecommendation; with behaviour, stabilizeRecommendationWithBehaviors).
 */
export function stabilize(
  recommendations: readonly Recommendation[],
  current: number,
  proposed: number,
  windows: { readonly up: Millis; readonly down: Millis },
  onlyDown: boolean,
  now: Millis,
): number {
  let [lowest, highest] = [proposed, proposed];
  for (const { at, replicas } of recommendations) {
    if (onlyDown ? at >= now - windows.down : at > now - windows.down) highest = Math.max(highest, replicas);
    if (at > now - windows.up) lowest = Math.min(lowest, replicas);
  }
  if (onlyDown) return highest;
  return Math.min(Math.max(current, lowest), highest);
}

interface Limited {
  readonly replicas: number;
  readonly reason:
    | 'DesiredWithinRange'
    | 'TooFewReplicas'
    | 'TooManyReplicas'
    | 'ScaleUpLimit'
    | 'ScaleDownLimit';
}

/** No behaviour given: at most double, or 4, a sync (convertDesiredReplicasWithRules). */
function withoutPolicies(current: number, desired: number, least: number, most: number): Limited {
  const limit = Math.max(2 * current, 4);
  if (desired < least) return { replicas: least, reason: 'TooFewReplicas' };
  if (desired > Math.min(limit, most))
    return { replicas: Math.min(limit, most), reason: most > limit ? 'ScaleUpLimit' : 'TooManyReplicas' };
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

/** Scaling policies count what was added and taken in their period (convertDesiredReplicasWithBehaviorRate). */
export function withPolicies(
  args: {
    readonly current: number;
    readonly desired: number;
    readonly least: number;
    readonly most: number;
    readonly up: Rules;
    readonly down: Rules;
    readonly state: Pick<AutoscalerState, 'ups' | 'downs'>;
  },
  now: Millis,
): Limited {
  const { current, desired, least, most, up, down, state } = args;
  if (desired > current) {
    const limit = Math.max(current, policyLimit(up, current, state, 'up', now));
    const allowed = Math.min(most, limit);
    if (desired > allowed)
      return { replicas: allowed, reason: most > limit ? 'ScaleUpLimit' : 'TooManyReplicas' };
  } else if (desired < current) {
    const limit = Math.min(current, policyLimit(down, current, state, 'down', now));
    const allowed = Math.max(least, limit);
    if (desired < allowed)
      return { replicas: allowed, reason: least < limit ? 'ScaleDownLimit' : 'TooFewReplicas' };
  }
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

/** The furthest that the selected policy lets the replicas go. */
function policyLimit(
  rules: Rules,
  current: number,
  { ups, downs }: Pick<AutoscalerState, 'ups' | 'downs'>,
  direction: 'up' | 'down',
  now: Millis,
): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const within = (events: readonly ScaleEvent[]) =>
      events.reduce((sum, { at, change }) => sum + (at > now - periodSeconds * 1000 ? change : 0), 0);
    const start = current - within(ups) + within(downs);
    if (direction === 'up') return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
    return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
  });
  const furthest = rules.selectPolicy !== 'Min';
  return (direction === 'up') === furthest ? Math.max(...limits) : Math.min(...limits);
}

/** k8s pkg/apis/autoscaling/v2/defaults.go: up by 4 pods or 100 % in 15 s, without stabilisation. */
export const scaleUpRules = (given: V2HPAScalingRules | undefined): Rules => ({
  selectPolicy: given?.selectPolicy ?? 'Max',
  stabilizationWindowSeconds: given?.stabilizationWindowSeconds ?? 0,
  policies: given?.policies ?? [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
});

/** The same: down by 100 % in 15 s, to the highest recommendation of 5 minutes. */
export const scaleDownRules = (given: V2HPAScalingRules | undefined): Rules => ({
  selectPolicy: given?.selectPolicy ?? 'Max',
  stabilizationWindowSeconds: given?.stabilizationWindowSeconds ?? DOWNSCALE_STABILIZATION / 1000,
  policies: given?.policies ?? [{ type: 'Percent', value: 100, periodSeconds: 15 }],
});
