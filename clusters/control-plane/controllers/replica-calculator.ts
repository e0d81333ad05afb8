import type { V1Pod } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { isDeleting, nameOf, timeOf } from '../store/objects.ts';
import { isPodReady, podCondition } from '../store/pods.ts';
import { milliValue } from '../store/quantity.ts';

/** One pod's sample as the metrics API gives it, in thousandths. */
export interface Sample {
  readonly value: number;
  /** When it was taken. */
  readonly at: Millis;
  /** What time it is the mean over. */
  readonly window: Millis;
}

/** By how much of the target a metric may lie above (`up`) or below it (`down`) without anything being done. */
interface Tolerances {
  readonly up: number;
  readonly down: number;
}

/** --horizontal-pod-autoscaler-tolerance: what holds where the autoscaler itself says nothing. */
export const DEFAULT_TOLERANCE = 0.1;

const isWithin = (ratio: number, { up, down }: Tolerances) => ratio >= 1 - down && ratio <= 1 + up;

/** What kube-controller-manager's --horizontal-pod-autoscaler-* options say (FACTS E), and the autoscaler itself. */
export interface CalculatorOptions {
  readonly tolerance: Tolerances;
  readonly cpuInitialization: Millis;
  readonly initialReadiness: Millis;
}

export const CALCULATOR_DEFAULTS: CalculatorOptions = {
  tolerance: { up: DEFAULT_TOLERANCE, down: DEFAULT_TOLERANCE },
  cpuInitialization: 300_000,
  initialReadiness: 30_000,
};

export interface CalculatorInput {
  /** All that the target's selector finds, whatever their state. */
  readonly pods: readonly V1Pod[];
  /** By pod name. */
  readonly samples: ReadonlyMap<string, Sample>;
  /** spec.replicas of the target. */
  readonly current: number;
  readonly now: Millis;
  readonly options?: CalculatorOptions;
}

/** How many replicas a metric asks for and what it measured, or why it cannot say. */
export type Calculation =
  | { readonly replicas: number; readonly measured: number }
  | { readonly failure: string };

interface Groups {
  readonly counted: number;
  readonly unready: readonly string[];
  readonly missing: readonly string[];
  /** The samples of the pods that count. */
  readonly samples: Map<string, number>;
}

/**
 * Whose samples count (replica_calculator.go groupPods): terminating and failed pods do not exist; pending ones are
 * unready; for CPU, so are pods that have just started and are not ready (or were not for a whole sample yet), and
 * later only those that have never been ready. One that was ready and fails its probe on purpose still counts.
 */
function group(input: CalculatorInput, isCpu: boolean): Groups {
  const { now, options = CALCULATOR_DEFAULTS } = input;
  const unready: string[] = [];
  const missing: string[] = [];
  const samples = new Map([...input.samples].map(([name, { value }]) => [name, value]));
  let counted = 0;
  for (const pod of input.pods) {
    const name = nameOf(pod);
    const sample = input.samples.get(name);
    if (isDeleting(pod) || pod.status?.phase === 'Failed') samples.delete(name);
    else if (pod.status?.phase === 'Pending' || (isCpu && sample && isUnready(pod, sample, now, options))) {
      unready.push(name);
      samples.delete(name);
    } else if (sample === undefined) missing.push(name);
    else counted++;
  }
  return { counted, unready, missing, samples };
}

function isUnready(pod: V1Pod, sample: Sample, now: Millis, options: CalculatorOptions): boolean {
  const ready = podCondition(pod, 'Ready');
  const { startTime } = pod.status ?? {};
  if (ready === undefined || startTime === undefined) return true;
  const started = timeOf(startTime);
  const changed = timeOf(ready.lastTransitionTime);
  if (started + options.cpuInitialization > now)
    return ready.status === 'False' || sample.at < changed + sample.window;
  return ready.status === 'False' && started + options.initialReadiness > changed;
}

/** Requests of a resource by pod, in thousandths, or the name of a container that has none. */
function requestsOf(pods: readonly V1Pod[], resource: string): Map<string, number> | { missing: string } {
  const requests = new Map<string, number>();
  for (const pod of pods) {
    let sum = 0;
    for (const container of pod.spec?.containers ?? []) {
      const request = milliValue(container.resources?.requests?.[resource]);
      if (request === undefined) return { missing: `${container.name} of ${nameOf(pod)}` };
      sum += request;
    }
    requests.set(nameOf(pod), sum);
  }
  return requests;
}

/** Target type Utilization: per cent of what the pods request (GetResourceReplicas). `measured` is per cent. */
export function utilizationReplicas(input: CalculatorInput, resource: string, target: number): Calculation {
  const requests = requestsOf(input.pods, resource);
  if ('missing' in requests)
    return { failure: `missing request for ${resource} in container ${requests.missing}` };
  const ratioOf = (samples: ReadonlyMap<string, number>) => {
    const known = [...samples].filter(([name]) => requests.has(name));
    const requested = known.reduce((sum, [name]) => sum + (requests.get(name) ?? 0), 0);
    if (requested === 0) return undefined;
    const used = known.reduce((sum, [, value]) => sum + value, 0);
    const measured = Math.trunc((used * 100) / requested);
    return { ratio: measured / target, measured };
  };
  // Who is missing is taken for one that uses what it requests, or the target if that is more.
  const full = (name: string) => ((requests.get(name) ?? 0) * Math.max(100, target)) / 100;
  return calculate(input, resource === 'cpu', ratioOf, full);
}

/** Target type AverageValue of a resource or a metric of the pods, in thousandths (calcPlainMetricReplicas). */
export function averageReplicas(input: CalculatorInput, resource: string, target: number): Calculation {
  const ratioOf = (samples: ReadonlyMap<string, number>) => {
    if (samples.size === 0) return undefined;
    const used = [...samples.values()].reduce((sum, value) => sum + value, 0);
    const measured = Math.trunc(used / samples.size);
    return { ratio: measured / target, measured };
  };
  return calculate(input, resource === 'cpu', ratioOf, () => target);
}

/**
 * Scales in proportion; pods without a sample and unready ones are then put in so that they hold back whichever
 * way it goes, and if they would turn it round, nothing is done.
 */
function calculate(
  input: CalculatorInput,
  isCpu: boolean,
  ratioOf: (samples: ReadonlyMap<string, number>) => { ratio: number; measured: number } | undefined,
  full: (name: string) => number,
): Calculation {
  const { current, options = CALCULATOR_DEFAULTS } = input;
  if (input.pods.length === 0) return { failure: 'the selector finds no pods' };
  if (input.samples.size === 0) return { failure: 'no metrics returned from the metrics API' };
  const { counted, unready, missing, samples } = group(input, isCpu);
  if (samples.size === 0)
    return { failure: 'did not receive metrics for targeted pods (pods might be unready)' };
  const first = ratioOf(samples);
  if (first === undefined) return { failure: 'no metrics returned matched known pods' };
  const { ratio, measured } = first;
  const within = (value: number) => isWithin(value, options.tolerance);
  const withUnready = unready.length > 0 && ratio > 1;
  if (!withUnready && missing.length === 0)
    return { replicas: within(ratio) ? current : Math.ceil(ratio * counted), measured };
  for (const name of missing) if (ratio !== 1) samples.set(name, ratio < 1 ? full(name) : 0);
  if (withUnready) for (const name of unready) samples.set(name, 0);
  const again = ratioOf(samples)?.ratio ?? ratio;
  const replicas = Math.ceil(again * samples.size);
  const turned = (ratio < 1 && again > 1) || (ratio > 1 && again < 1);
  const countTurned = (again < 1 && replicas > current) || (again > 1 && replicas < current);
  return { replicas: within(again) || turned || countTurned ? current : replicas, measured };
}

/**
 * Object and External metrics with target type Value: the ratio times the pods that are READY, so failing readiness
 * on purpose shrinks the result (getUsageRatioReplicaCount). Thousandths.
 */
export function valueReplicas(input: CalculatorInput, measured: number, target: number): Calculation {
  const { current, pods, options = CALCULATOR_DEFAULTS } = input;
  const ratio = measured / target;
  if (current === 0) return { replicas: Math.ceil(ratio), measured };
  if (isWithin(ratio, options.tolerance)) return { replicas: current, measured };
  if (pods.length === 0) return { failure: 'the selector finds no pods' };
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return { replicas: Math.ceil(ratio * ready), measured };
}

/** Object and External metrics with target type AverageValue: divided by status.replicas, readiness does not matter. */
export function perPodReplicas(
  statusReplicas: number,
  measured: number,
  target: number,
  options = CALCULATOR_DEFAULTS,
): Calculation {
  const ratio = measured / (target * statusReplicas);
  const replicas = isWithin(ratio, options.tolerance) ? statusReplicas : Math.ceil(measured / target);
  return { replicas, measured: Math.ceil(measured / statusReplicas) };
}
