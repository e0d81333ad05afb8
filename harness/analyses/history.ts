import type { Timed } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { Analysis } from './analysis.ts';

type Of<Type extends Timed['type']> = Extract<Timed, { type: Type }>;

/** One step of the script with its end; a step that never ended lasts to the end of the cell. */
export interface StepSpan {
  readonly name: string;
  readonly phase: Of<'step'>['phase'];
  readonly begin: Millis;
  end: Millis | null;
  readonly cutOver: boolean;
  readonly fault: boolean;
}

/** What happened to one pod, in order. */
export interface PodHistory {
  readonly pod: string;
  version: string;
  node: string;
  readonly phases: { at: Millis; phase: Of<'pod'>['phase']; ready: boolean; why?: string }[];
}

/** What the cluster did in a cell, apart from its clients; each list is in the order of arrival. */
export interface History {
  readonly steps: readonly StepSpan[];
  readonly pods: ReadonlyMap<string, PodHistory>;
  readonly endpoints: readonly Of<'endpoints'>[];
  readonly proxies: readonly Of<'proxy'>[];
  readonly balancers: readonly Of<'balancer'>[];
  readonly gateways: readonly Of<'gateway'>[];
  readonly loads: readonly Of<'load'>[];
  readonly hops: readonly Of<'hop'>[];
  readonly nodes: readonly Of<'node'>[];
  readonly evictions: readonly Of<'eviction'>[];
  readonly replicas: readonly Of<'replicas'>[];
  readonly autoscaler: readonly Of<'autoscaler'>[];
  readonly evidence: readonly Of<'evidence'>[];
  readonly notes: readonly Of<'note'>[];
  /** Time of the cell's last event. */
  readonly end: Millis;
}

interface State {
  readonly steps: StepSpan[];
  readonly pods: Map<string, PodHistory>;
  readonly endpoints: Of<'endpoints'>[];
  readonly proxies: Of<'proxy'>[];
  readonly balancers: Of<'balancer'>[];
  readonly gateways: Of<'gateway'>[];
  readonly loads: Of<'load'>[];
  readonly hops: Of<'hop'>[];
  readonly nodes: Of<'node'>[];
  readonly evictions: Of<'eviction'>[];
  readonly replicas: Of<'replicas'>[];
  readonly autoscaler: Of<'autoscaler'>[];
  readonly evidence: Of<'evidence'>[];
  readonly notes: Of<'note'>[];
  end: Millis;
}

function foldStep(steps: StepSpan[], { at, name, edge, phase, cutOver, fault }: Of<'step'>): void {
  if (edge === 'begin') {
    steps.push({ name, phase, begin: at, end: null, cutOver: cutOver === true, fault: fault === true });
    return;
  }
  const open = steps.findLast((step) => step.name === name && step.end === null);
  if (open !== undefined) open.end = at;
}

function foldPod(pods: Map<string, PodHistory>, event: Of<'pod'>): void {
  let history = pods.get(event.pod);
  if (history === undefined) {
    history = { pod: event.pod, version: event.version, node: event.node, phases: [] };
    pods.set(event.pod, history);
  }
  // A pod is pending before it has a node.
  if (event.node !== '') history.node = event.node;
  const { at, phase, ready, why } = event;
  history.phases.push({ at, phase, ready, ...(why === undefined ? {} : { why }) });
}

/** Gathers what the cluster did: steps, pods, endpoints, rules, balancer, gateways, autoscaler. */
export const historyAnalysis: Analysis<State, History> = {
  name: 'history',
  start: () => ({
    steps: [],
    pods: new Map(),
    endpoints: [],
    proxies: [],
    balancers: [],
    gateways: [],
    loads: [],
    hops: [],
    nodes: [],
    evictions: [],
    replicas: [],
    autoscaler: [],
    evidence: [],
    notes: [],
    end: 0,
  }),
  fold(state, event) {
    state.end = event.at;
    switch (event.type) {
      case 'step':
        return foldStep(state.steps, event);
      case 'pod':
        return foldPod(state.pods, event);
      case 'endpoints':
        state.endpoints.push(event);
        return;
      case 'proxy':
        state.proxies.push(event);
        return;
      case 'balancer':
        state.balancers.push(event);
        return;
      case 'gateway':
        state.gateways.push(event);
        return;
      case 'load':
        state.loads.push(event);
        return;
      case 'hop':
        state.hops.push(event);
        return;
      case 'node':
        state.nodes.push(event);
        return;
      case 'eviction':
        state.evictions.push(event);
        return;
      case 'replicas':
        state.replicas.push(event);
        return;
      case 'autoscaler':
        state.autoscaler.push(event);
        return;
      case 'evidence':
        state.evidence.push(event);
        return;
      case 'note':
        state.notes.push(event);
        return;
    }
  },
  result: (state) => state,
};

/** How many of a list in time order have an `at` that is not after `time` (binary search). */
export function countUntil(list: readonly { readonly at: Millis }[], time: Millis): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as { at: Millis }).at <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The last of a list in time order whose `at` is not after `time`, or undefined. */
export const lastUntil = <T extends { readonly at: Millis }>(
  list: readonly T[],
  time: Millis,
): T | undefined => list[countUntil(list, time) - 1];
