import type { Timed } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { Analysis } from './analysis.ts';

/** What the harness saw of itself, to prove that it did not drop the clients. */
export interface Innocence {
  readonly worstLag: Millis;
  readonly worstLagAt: Millis | null;
  /** Which process lagged most; undefined: the main one. */
  readonly worstLagPart: string | undefined;
  readonly worstDrift: Millis;
  /** Parts of the harness that died during the cell: what they did or held is lost, and the release had no hand in it. */
  readonly died: readonly Extract<Timed, { type: 'harness-died' }>[];
  /** How often it looked. */
  readonly samples: number;
  /** How the cell ended; `missing` when the log breaks off before its end. */
  readonly outcome: Extract<Timed, { type: 'end' }>['outcome'] | 'missing';
  readonly why: string | undefined;
  /** Nodes that ceased to be ready by no step's doing, and were not removed, with when they did first. */
  readonly unwell: readonly { readonly node: string; readonly at: Millis }[];
}

interface State {
  unwell: Map<string, Millis>;
  /** Nodes whose machine was switched off. */
  readonly dark: Set<string>;
  /** Steps under way that are faults: what they do to nodes is what is measured. */
  faults: number;
  worstLag: Millis;
  worstLagAt: Millis | null;
  worstLagPart: string | undefined;
  worstDrift: Millis;
  readonly died: Extract<Timed, { type: 'harness-died' }>[];
  samples: number;
  end: Extract<Timed, { type: 'end' }> | undefined;
}

/** The lag and death of the harness's own processes, its clock's drift, whether the nodes stayed ready and the cell was finished. */
export const innocenceAnalysis: Analysis<State, Innocence> = {
  name: 'innocence',
  start: () => ({
    worstLag: 0,
    worstLagAt: null,
    worstLagPart: undefined,
    worstDrift: 0,
    died: [],
    samples: 0,
    end: undefined,
    unwell: new Map(),
    dark: new Set(),
    faults: 0,
  }),
  fold(state, event) {
    if (event.type === 'end') state.end = event;
    if (event.type === 'harness-died') state.died.push(event);
    if (event.type === 'step' && event.fault) state.faults += event.edge === 'begin' ? 1 : -1;
    const isDoing = state.faults > 0 || state.end !== undefined;
    if (event.type === 'note' && event.node?.ready === false && !isDoing && !state.dark.has(event.node.name))
      state.unwell.set(event.node.name, state.unwell.get(event.node.name) ?? event.at);
    if (event.type === 'node') {
      // A node that goes for good is a cause of its own.
      if (event.change === 'removed') state.unwell.delete(event.node);
      if (event.change === 'off') state.dark.add(event.node);
      if (event.change === 'on') state.dark.delete(event.node);
    }
    if (event.type !== 'harness') return;
    state.samples++;
    state.worstDrift = Math.max(state.worstDrift, Math.abs(event.drift));
    if (event.lag > state.worstLag) {
      state.worstLag = event.lag;
      state.worstLagAt = event.at;
      state.worstLagPart = event.part;
    }
  },
  result: ({ end, unwell, faults: _, dark: __, ...rest }) => ({
    ...rest,
    outcome: end?.outcome ?? 'missing',
    why: end?.why,
    unwell: [...unwell].map(([node, at]) => ({ node, at })),
  }),
};
