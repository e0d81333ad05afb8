import type { Millis } from '../time/duration.ts';
import type { Axes } from './axes.ts';
import type { ClientGroup, Ending } from './connection.ts';
import type { Load } from './load.ts';

/**
 * The version of this vocabulary; a reader of older logs converts them on reading. 2: the first line names what is
 * planned, the last one says how the run ended, and each `end` seals the lines before it.
 */
export const EVENT_SCHEMA = 2;

/** A client's name in the log: `c17` in the fleet, `k3` in the control group. */
export type ClientName = string;
export const clientName = (group: ClientGroup, number: number): ClientName =>
  `${group === 'fleet' ? 'c' : 'k'}${number}`;

/** One cell of a run: one strategy at one point of the axes on one cluster with one seed. */
export interface CellHeader {
  /** Unique in the run, such as `selector-flip/Local/3-nodes`; a prediction's ends in `@sim`. */
  readonly id: string;
  /** What it is called in reports; absent: its strategy, and the axes that vary. */
  readonly title?: string;
  readonly strategy: string;
  readonly question: string;
  readonly cluster: string;
  readonly evidence: 'modelled' | 'measured';
  readonly axes: Axes;
  readonly seed: number;
  /** Absent in logs older than the ranking, where it means a release. `watch`: somebody else's release, which is only looked at. */
  readonly kind?: 'release' | 'experiment' | 'watch';
  /** Of a watched release: whether the cluster was seen as well, or only what the sockets show. */
  readonly sees?: 'cluster' | 'sockets';
  /** What the strategy requires on these axes (harness/contracts/requirements.ts). */
  readonly requires?: readonly string[];
  /** Axes that a comparison sets for this strategy (its `variants`): its name there says them. */
  readonly variant?: readonly string[];
  /** The uninterrupted cell that this cell plays again, half-way only, and then rolls back. */
  readonly rollsBack?: string;
  /** The measured cell that this cell predicts. */
  readonly predicts?: string;
  /** What the user's own gateway is to say that its versions are; absent: the built-in one's `v1` and `v2`. */
  readonly says?: { readonly v1: string; readonly v2: string };
  /** What makes its result meaningless or surprising, known before it was played: a sentence each. */
  readonly warnings?: readonly string[];
  /** Model milliseconds a real one; null on a virtual clock. */
  readonly speed: number | null;
  readonly facts: Readonly<Record<string, string>>;
}

/** The first line of every log. Holds nothing that two runs of one seed could differ in. */
export interface RunHeader {
  readonly type: 'run';
  readonly schema: number;
  readonly seed: number;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  /** The id of every cell that is to be played, in order, without predictions; absent in schema 1. */
  readonly cells?: readonly string[];
  /** More cells may follow than were known when the run began: as many as somebody else releases. */
  readonly openEnded?: true;
}

/** How a cell, or the whole run, ended. `failed`: the release could not be played, and not for a fault of the harness. */
export type Outcome = 'finished' | 'interrupted' | 'broken' | 'failed';

/** What stands before an `end` in the log: a cell's lines from its header on, or all lines of the run. */
export interface Seal {
  readonly lines: number;
  /** CRC-32 in hexadecimal: of a cell's lines with their line ends; the run's, of all lines that no cell's `end` seals. */
  readonly sum: string;
}

/** The last line of a log: nothing was planned that is not in it, unless `outcome` says so. */
export interface RunEnd {
  readonly type: 'end';
  readonly outcome: Exclude<Outcome, 'failed'>;
  /** Absent before it is written. */
  readonly seal?: Seal;
}

/** What a prediction with one seed came to, in clients. */
export interface Foretold {
  readonly seed: number;
  readonly clients: number;
  readonly dropped: number;
  readonly droppedTwice: number;
  readonly collateral: number;
  readonly silent: number;
}

/** What the balancer knows of one backend. */
export interface BackendView {
  readonly node: string;
  readonly healthy: boolean;
}

/** One endpoint as an EndpointSlice lists it. */
export interface EndpointView {
  readonly pod: string;
  readonly node: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** What a hop ends connections by: the shutdown time-out after a reload, a silence, its age, a drain, pilot-agent's abort of Envoy, or another end of its own. */
export type HopEnd = 'shutdown-timeout' | 'idle' | 'lifetime' | 'drain' | 'aborted' | 'ended';

/** What happened to a packet of an established or opening flow, when it did not reach the pod it should have. */
export type Verdict = 'rejected' | 'reset' | 'dropped' | 'unroutable' | 'misdelivered';

/**
 * Everything a run produces. `at` is model time of arrival in milliseconds since the cell began (whole).
 * Counts are never logged where they can be folded from other events.
 */
export type Event =
  | RunHeader
  | { readonly type: 'cell'; readonly cell: CellHeader }
  | { readonly type: 'skipped'; readonly cell: CellHeader; readonly why: string }
  /** What one more seed of the prediction of a measured cell, of this id, came to; repeat it to see how. */
  | ({ readonly type: 'foretold'; readonly cell: string } & Foretold)
  | RunEnd
  | Timed;

export type TimedEvent =
  /** A step of the script. From the begin of the step with `cutOver`, new connections should land on v2. */
  | {
      readonly type: 'step';
      readonly name: string;
      readonly edge: 'begin' | 'end';
      readonly phase: 'prepare' | 'release' | 'rollback' | 'settle';
      readonly cutOver?: boolean;
      /** A fault or change around the release rather than one of its steps; shaded differently. */
      readonly fault?: boolean;
    }
  | {
      readonly type: 'open';
      readonly client: ClientName;
      readonly pod: string;
      readonly version: string;
      readonly node?: string;
      /** The proxy that the connection goes through, where the cluster can know. */
      readonly hop?: string;
      /** Attempts it took, this one included; 1 where the first succeeded. */
      readonly attempts: number;
    }
  /** An attempt that failed; the client waits and tries again. */
  | {
      readonly type: 'refused';
      readonly client: ClientName;
      readonly attempt: number;
      readonly why: string;
    }
  /** The client's library gave up for good. */
  | { readonly type: 'gave-up'; readonly client: ClientName; readonly attempts: number }
  /** A drop: the connection ended, or a heartbeat went unanswered. Dated back by `lastAnswer`. */
  | {
      readonly type: 'closed';
      readonly client: ClientName;
      readonly pod: string;
      readonly version: string;
      readonly ending: Ending | { readonly how: 'silence' };
      /** When the client last heard from the gateway (an answer, a message or the opening itself). */
      readonly lastAnswer: Millis;
      /** The gateway had asked this client to reconnect, and the client left by itself. */
      readonly asked?: boolean;
      /** Make before break: the new connection was open before this one was closed, so nothing was lost. */
      readonly replaced?: boolean;
    }
  /** Another gateway serves the client's connection from now on; the client was told so and lost nothing. */
  | {
      readonly type: 'rehomed';
      readonly client: ClientName;
      readonly pod: string;
      readonly version: string;
      readonly node?: string;
      readonly hop?: string;
    }
  /** A silent connection answered again before the client gave up on it; `silent` since its last answer. */
  | { readonly type: 'healed'; readonly client: ClientName; readonly silent: Millis }
  | {
      readonly type: 'pod';
      readonly pod: string;
      readonly version: string;
      readonly node: string;
      readonly phase: 'pending' | 'running' | 'terminating' | 'gone';
      readonly ready: boolean;
      /** Why, where it is worth telling: 'SIGTERM', 'SIGKILL', 'readinessProbe failed', ... */
      readonly why?: string;
    }
  | { readonly type: 'endpoints'; readonly service: string; readonly endpoints: readonly EndpointView[] }
  /** kube-proxy (or its like) on a node has put new rules in place; for the Service under test in one word. */
  | {
      readonly type: 'proxy';
      readonly node: string;
      readonly service: string;
      readonly rules: 'forward' | 'reject' | 'drop' | 'none';
      readonly localEndpoints: number;
    }
  /** A forwarding rule's backends changed in health or number, or its table was recreated. */
  | {
      readonly type: 'balancer';
      readonly service: string;
      readonly backends: readonly BackendView[];
      /** No backend is healthy, and the pool therefore spreads over all of them. */
      readonly failOpen: boolean;
      readonly recreated?: boolean;
    }
  /** `off` and `on`: its machine's power; the API finds out by itself, or not at all. */
  | {
      readonly type: 'node';
      readonly node: string;
      readonly change: 'added' | 'removed' | 'off' | 'on';
    }
  /** Somebody who removes a node asked for this pod to go, or (`forced`) told it to; a refusal is logged once. */
  | {
      readonly type: 'eviction';
      readonly pod: string;
      readonly node: string;
      /** Who removes the node. */
      readonly by: string;
      readonly outcome: 'granted' | 'refused' | 'forced';
      /** What the pod was granted, where that is less than its own grace period. */
      readonly cutTo?: Millis;
    }
  /** What the autoscaler decided, and from what. */
  | {
      readonly type: 'autoscaler';
      readonly target: string;
      readonly current: number;
      readonly desired: number;
      readonly why: string;
    }
  | { readonly type: 'replicas'; readonly owner: string; readonly desired: number; readonly ready: number }
  /** The first packet of a client's connection that was not delivered since the last that was; the simulator knows each. */
  | {
      readonly type: 'fate';
      readonly client: ClientName;
      readonly verdict: Verdict;
      /** The node (or hop) that decided it. */
      readonly node: string;
      /** The node (or hop) that had carried the connection before, where another. */
      readonly before?: string;
      /** The rule or table entry that decided it, in the dataplane's own words. */
      readonly rule: string;
      /** Whose entry of the connection had timed out for want of packets, which is why it went this way. */
      readonly forgot?: 'balancer' | 'node';
    }
  /** The gateway's own word of what it did to its connections: drain began, exit, ... */
  | {
      readonly type: 'gateway';
      readonly pod: string;
      readonly did: 'sigterm' | 'drain' | 'exit' | 'killed' | 'close';
      readonly why: string;
      readonly connections?: number;
    }
  /** What came to a gateway whose pod is limited, since it last told. */
  | ({ readonly type: 'load'; readonly pod: string } & Load)
  /** Some hop between client and pod (nginx, sidecar, connection holder) changed or ended connections. */
  | {
      readonly type: 'hop';
      readonly hop: string;
      readonly did: string;
      readonly connections?: number;
      /** The connections live on for now: what was done is no ending, but may lead to one. */
      readonly kept?: true;
      /** When that was done to the connections which has now ended them. */
      readonly since?: Millis;
      /** What ended them, where it has a name of its own; absent in older logs. */
      readonly act?: HopEnd;
    }
  /** Other evidence on a measured cluster: rule counters, conntrack, ICMP; shown as it is. */
  | {
      readonly type: 'evidence';
      readonly source: string;
      readonly values: Readonly<Record<string, string | number>>;
    }
  /** The harness watching itself: event-loop lag and clock drift since the last sample, worst of the interval. */
  | {
      readonly type: 'harness';
      readonly lag: number;
      readonly drift: number;
      /** Which of its processes; absent: its main one. */
      readonly part?: string;
    }
  /** A part of the harness itself has died and taken with it what it did or held: what follows cannot be believed. */
  | { readonly type: 'harness-died'; readonly part: string; readonly why: string }
  | {
      readonly type: 'note';
      readonly text: string;
      /** The node that it is about, which has ceased to be ready, or is so again. */
      readonly node?: { readonly name: string; readonly ready: boolean };
    }
  /** The last line of a cell. */
  | {
      readonly type: 'end';
      readonly outcome: Outcome;
      readonly why?: string;
      /** Absent in schema 1, and before it is written. */
      readonly seal?: Seal;
    };

/** An event with its time of arrival and, where a real API server gave one, that server's own time for it (ISO 8601). */
export type Timed = { readonly at: Millis; readonly apiTime?: string } & TimedEvent;
