import type {
  V1Deployment,
  V1Pod,
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerBehavior,
  V2HPAScalingRules,
  V2MetricIdentifier,
  V2MetricSpec,
  V2MetricTarget,
} from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import type { Context } from '../context.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import { isDeleting, labelsOf, nameOf, selects, timeOf, timestamp } from '../store/objects.ts';
import { milliValue } from '../store/quantity.ts';
import { type AutoscalerState, autoscale, newAutoscaler, type Proposal } from './autoscaler.ts';
import { replicasOf } from './fenceposts.ts';
import {
  averageReplicas,
  CALCULATOR_DEFAULTS,
  type Calculation,
  type CalculatorInput,
  type CalculatorOptions,
  DEFAULT_TOLERANCE,
  perPodReplicas,
  type Sample,
  utilizationReplicas,
  valueReplicas,
} from './replica-calculator.ts';
import { WorkQueue } from './work-queue.ts';

/** --horizontal-pod-autoscaler-sync-period. */
const SYNC: Millis = 15_000;
/** metrics-server --metric-resolution; it says nothing about a container younger than 10 s. */
const SCRAPE: Millis = 15_000;
const YOUNGEST: Millis = 10_000;

/** The autoscaler's controller and the metrics-server it asks: every 15 s each, over what the machine measures. */
export class AutoscalerDriver implements Disposable {
  private readonly context: Context;
  private readonly queue: WorkQueue;
  private readonly states = new Map<string, AutoscalerState>();
  private readonly logged = new Map<string, string>();
  private readonly samples = new Map<string, Sample>();
  private scraping: Disposable | undefined;

  constructor(context: Context) {
    this.context = context;
    this.queue = new WorkQueue(
      context.clock,
      (name) => this.sync(name),
      () => 10,
    );
    context.store.watch((type, object) => {
      if (object.kind !== 'HorizontalPodAutoscaler') return;
      if (type === 'deleted') this.states.delete(nameOf(object));
      if (type !== 'added') return;
      if (this.scraping === undefined) this.beginScraping();
      this.queue.add(nameOf(object));
    });
  }

  [Symbol.dispose](): void {
    this.queue[Symbol.dispose]();
    this.scraping?.[Symbol.dispose]();
  }

  /** A metrics-server runs before anybody asks it: what was used before its last scrape is no part of a sample. */
  private beginScraping(): void {
    const { clock, machine, store } = this.context;
    for (const pod of store.list('Pod')) machine.usage?.(nameOf(pod));
    this.scraping = clock.after(SCRAPE, () => this.scrape());
  }

  /** metrics-server: the mean use of each running pod since the time before. */
  private scrape(): void {
    const { clock, machine, store } = this.context;
    const now = clock.now();
    this.scraping = clock.after(SCRAPE, () => this.scrape());
    const before = new Map(this.samples);
    this.samples.clear();
    for (const pod of store.list('Pod')) {
      const started = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt;
      if (started === undefined) continue;
      const value = machine.usage?.(nameOf(pod));
      const since = before.get(nameOf(pod))?.at ?? timeOf(started);
      if (value !== undefined && now - timeOf(started) >= YOUNGEST)
        this.samples.set(nameOf(pod), {
          // Metrics are kept in finer units and rounded up to whole ones where they are compared (Quantity.MilliValue).
          value: Math.ceil(value),
          at: now,
          window: Math.min(SCRAPE, now - since),
        });
    }
  }

  private sync(name: string): void {
    const { store, clock } = this.context;
    const autoscaler = store.get('HorizontalPodAutoscaler', name);
    if (autoscaler === undefined) return;
    this.queue.add(name, SYNC);
    const { kind, name: target } = autoscaler.spec?.scaleTargetRef ?? { kind: '', name: '' };
    const deployment = kind === 'Deployment' ? store.get('Deployment', target) : undefined;
    if (deployment === undefined) return;
    const current = replicasOf(deployment);
    const propose = () => this.proposals(autoscaler, deployment);
    const before = this.states.get(name) ?? newAutoscaler;
    const { state, desired, why } = autoscale(autoscaler, before, current, propose, clock.now());
    this.states.set(name, state);
    if (desired !== current) store.patch('Deployment', target, { spec: { replicas: desired } });
    this.publish(name, deployment, desired);
    this.log(target, current, desired, why);
  }

  private publish(name: string, deployment: V1Deployment, desired: number): void {
    const current = replicasOf(deployment);
    const lastScaleTime = timestamp(this.context.clock.now());
    this.context.store.update('HorizontalPodAutoscaler', name, (autoscaler) => ({
      ...autoscaler,
      status: {
        ...autoscaler.status,
        currentReplicas: current,
        desiredReplicas: desired,
        ...(desired === current ? {} : { lastScaleTime }),
      },
    }));
  }

  /** Says what was decided where that is something else than the last time, whatever was measured meanwhile. */
  private log(target: string, current: number, desired: number, why: string): void {
    const text = `${current} ${desired} ${why.replace(/ [\d.]+( %|m| a pod)? asks/, ' asks')}`;
    if (this.logged.get(target) === text) return;
    this.logged.set(target, text);
    this.context.record({ type: 'autoscaler', target, current, desired, why });
  }

  private proposals({ spec }: V2HorizontalPodAutoscaler, deployment: V1Deployment): Proposal[] {
    const pods = this.context.store
      .list('Pod')
      .filter((pod) => selects(deployment.spec?.selector, labelsOf(pod)));
    const options = { ...CALCULATOR_DEFAULTS, tolerance: this.tolerances(spec?.behavior) };
    return (spec?.metrics ?? []).map((metric) => this.proposal(metric, pods, deployment, options));
  }

  /** The autoscaler's own, where this release of Kubernetes lets it have any: the API drops the field before. */
  private tolerances(
    behavior: V2HorizontalPodAutoscalerBehavior | undefined,
  ): CalculatorOptions['tolerance'] {
    const { ownTolerance } = behaviourOf(this.context.axes.kubernetes);
    const of = (rules: V2HPAScalingRules | undefined) =>
      ownTolerance && rules?.tolerance !== undefined
        ? (milliValue(rules.tolerance) ?? 0) / 1000
        : DEFAULT_TOLERANCE;
    return { up: of(behavior?.scaleUp), down: of(behavior?.scaleDown) };
  }

  private proposal(
    metric: V2MetricSpec,
    pods: readonly V1Pod[],
    deployment: V1Deployment,
    options: CalculatorOptions,
  ): Proposal {
    const input = (samples: ReadonlyMap<string, Sample>) => ({
      pods,
      samples,
      current: replicasOf(deployment),
      now: this.context.clock.now(),
      options,
    });
    const resource = metric.resource ?? metric.containerResource;
    if (resource !== undefined) {
      const target = resource.target;
      const calculation =
        target.averageUtilization !== undefined
          ? utilizationReplicas(input(this.samples), resource.name, target.averageUtilization)
          : withTarget(target, 'averageValue', (value) =>
              averageReplicas(input(this.samples), resource.name, value),
            );
      return {
        metric: resource.name,
        unit: target.averageUtilization === undefined ? 'm' : ' %',
        calculation,
      };
    }
    if (metric.pods !== undefined) {
      const { name } = metric.pods.metric;
      const calculation = withTarget(metric.pods.target, 'averageValue', (value) =>
        averageReplicas(input(this.podMetric(name, pods)), name, value),
      );
      return { metric: name, unit: ' a pod', calculation: inUnits(calculation) };
    }
    const source = metric.object ?? metric.external;
    if (source === undefined)
      return {
        metric: metric.type,
        calculation: { failure: `metrics of type ${metric.type} are not known` },
      };
    return {
      metric: source.metric.name,
      ...(source.target.value === undefined ? { unit: ' a pod' } : {}),
      calculation: inUnits(this.whole(source, input(new Map()), deployment)),
    };
  }

  /** A metric of the gateways together, with target Value or AverageValue. */
  private whole(
    { metric, target }: { metric: V2MetricIdentifier; target: V2MetricTarget },
    input: CalculatorInput & { readonly options: CalculatorOptions },
    deployment: V1Deployment,
  ): Calculation {
    const measured = this.sum(metric);
    if (measured === undefined) return { failure: `no metric ${metric.name}` };
    const milli = Math.round(measured * 1000);
    return target.value !== undefined
      ? withTarget(target, 'value', (value) => valueReplicas(input, milli, value))
      : withTarget(target, 'averageValue', (value) =>
          perPodReplicas(deployment.status?.replicas ?? 0, milli, value, input.options),
        );
  }

  /** Of all gateways, or of those pods whose labels the metric's selector finds. */
  private sum({ name, selector }: V2MetricIdentifier): number | undefined {
    const { machine, store } = this.context;
    if (selector === undefined) return machine.metric?.(name);
    const values = store
      .list('Pod')
      .filter((pod) => selects(selector, labelsOf(pod)))
      .flatMap((pod) => machine.metric?.(name, nameOf(pod)) ?? []);
    return values.length > 0 ? values.reduce((sum, value) => sum + value) : undefined;
  }

  private podMetric(name: string, pods: readonly V1Pod[]): ReadonlyMap<string, Sample> {
    const at = this.context.clock.now();
    const samples = new Map<string, Sample>();
    for (const pod of pods) {
      if (isDeleting(pod)) continue;
      const value = this.context.machine.metric?.(name, nameOf(pod));
      if (value !== undefined) samples.set(nameOf(pod), { value: Math.round(value * 1000), at, window: 0 });
    }
    return samples;
  }
}

/** Calculated in thousandths, told as it is. */
const inUnits = (calculation: Calculation): Calculation =>
  'failure' in calculation ? calculation : { ...calculation, measured: calculation.measured / 1000 };

function withTarget(
  target: V2MetricTarget,
  field: 'value' | 'averageValue',
  calculate: (value: number) => Calculation,
): Calculation {
  const value = milliValue(target[field]);
  return value === undefined || value <= 0
    ? { failure: `target.${field} '${target[field] ?? ''}' is not a positive quantity` }
    : calculate(value);
}
