import type { ProxyName } from '../platforms/proxies.ts';
import type { Random } from '../statistics/random.ts';
import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';
import type { Axes, AxisTexts } from './axes.ts';
import type { Config } from './config.ts';
import type { ClientAddress, Socket, SocketHandlers } from './connection.ts';
import type { Event } from './event.ts';
import type { Kube } from './kube.ts';
import type { PodTemplates } from './workload.ts';

/** What a cluster can do beyond the contract; a scenario that needs more is skipped, with the reason, before anything is paid for. */
export type Capability =
  | 'passthrough-balancer'
  | 'node-churn'
  | 'node-power'
  /** An implementation of Ingress or of the Gateway API. */
  | ProxyName
  /** It runs that implementation for the run alone, which may release it and give it certificates and settings. */
  | 'own-proxy'
  | 'mesh'
  | 'handoff'
  | 'autoscaler'
  | 'balancer-recreation'
  | 'second-balancer';

/** Whether a provider is usable here; if not, what is missing and the command that mends it. */
export type Preflight =
  | { readonly usable: true; readonly notes: readonly string[] }
  | { readonly usable: false; readonly missing: readonly { what: string; mend: string }[] };

/** Something that a killed run had left behind and that `sweep` removed. */
export interface Removed {
  readonly kind: string;
  readonly name: string;
}

/** What `sweep` did, and where it could not look, so that something may still be left. */
export interface Swept {
  readonly removed: readonly Removed[];
  readonly unseen: readonly Unseen[];
}

/** What `sweep` could not look at, or not remove, and why. */
export interface Unseen {
  readonly what: string;
  readonly why: string;
}

/** Of a provider that leaves nothing behind, whatever ends it. */
export const NOTHING_LEFT: Swept = { removed: [], unseen: [] };

/** What is asked of a cluster for one cell. */
export interface ClusterSpec {
  readonly axes: Axes;
  /** Names everything the cell creates; unique among runs, a DNS label. */
  readonly name: string;
  /** The user's own gateway and what its clients speak, on clusters that run it; undefined: the built-in one. */
  readonly own?: Config;
}

/** What a cluster is given to work with, for one cell. */
export interface RunContext {
  /** Appends to the event log; the cluster stamps with its own clock. */
  record(event: Event): void;
  readonly random: Random;
  /** Where files for people (logs, rule dumps) may go; exists. */
  readonly directory: string;
  /** Aborted when the run is asked to end; waits end with InterruptedError, clean-up goes on. */
  readonly signal: AbortSignal;
  /** Model milliseconds a real one, where the cluster lets one choose; undefined: the cluster's default. */
  readonly speed?: number;
}

/** Something of a provider that can be chosen beside the axes; an option of the CLI. */
export interface ProviderOption {
  /** What stands for the value in --help; undefined: a flag, chosen as `true`. */
  readonly value?: string;
  /** One line for --help. */
  readonly help: string;
}

/** What `doctor` is asked about; what is left out it finds by itself where it can. */
export interface Suspect {
  readonly namespace?: string;
  readonly service?: string;
}

/** What `doctor` finds out about a cluster that is there. */
export interface Diagnosis {
  /** What was found, by name, in the order in which it is told. */
  readonly facts: Readonly<Record<string, string>>;
  /** What of it decides the prediction. */
  readonly axes: AxisTexts;
  /** What could not be found out, or cannot be predicted, and why. */
  readonly doubts: readonly string[];
}

/** A change that rolls out to the pods behind a watched Service, seen to begin or to be over. */
export type RolloutSeen =
  | {
      readonly edge: 'begin';
      /** The object that was changed, such as `Deployment gateway`. */
      readonly object: string;
      /** `undo`: it is the state of before the rollout under way again. */
      readonly what: 'template' | 'selector' | 'policy' | 'undo';
    }
  | {
      readonly edge: 'end';
      readonly object: string;
      /** Why it did not come to its end. */
      readonly failed?: string;
    };

/** A cluster on which somebody else releases: it is looked at, and nothing on it is ever written. */
export interface Onlooker extends AsyncDisposable {
  /** As `Diagnosis`, found when it began to look. */
  readonly facts: Readonly<Record<string, string>>;
  readonly axes: AxisTexts;
  readonly doubts: readonly string[];
}

/** What an onlooker is given. */
export interface OnlookerContext {
  readonly clock: Clock;
  /** Takes what it sees, for the log. */
  record(event: Event): void;
  rollout(seen: RolloutSeen): void;
  readonly signal: AbortSignal;
}

/** Obtains and removes clusters of one kind. */
export interface Provider {
  readonly name: string;
  /** One sentence for --list: what this cluster is and what its numbers are worth (modelled or measured). */
  readonly description: string;
  /** Whether its numbers are the simulator's or come from a real network stack. */
  readonly evidence: 'modelled' | 'measured';
  readonly offers: ReadonlySet<Capability>;
  /** Why a capability that it could have is not offered on this machine, with the command that mends it. */
  lacks?(need: Capability): string | undefined;
  /** What stands for the user's own gateway here: its command, its image, or (undefined) the modelled gateway. */
  readonly runs?: 'command' | 'image';
  /** Why this cell cannot run here (say, a proxy mode this kernel lacks), or undefined when it can. */
  refuses(axes: Axes): string | undefined;
  preflight(): Promise<Preflight>;
  /** The cluster, with all its nodes ready and nothing on it; whatever fails, nothing half-made is left. */
  open(spec: ClusterSpec, context: RunContext): Promise<Cluster>;
  /** Removes what killed runs left behind, found by label; harmless to living runs. Never throws: what fails, or is interrupted, is `unseen`. */
  sweep(signal?: AbortSignal): Promise<Swept>;
  /** What can be chosen, by the option's name (`node-image`); providers may share an option. */
  readonly options?: Readonly<Record<string, ProviderOption>>;
  /** This provider with what was chosen, by the option's name. @throws UsageError naming every value that is not allowed. */
  configure?(chosen: Readonly<Record<string, string>>): Provider;
  /** What playing these cells will cost, in words; asked about before anything that costs money is made. */
  price?(cells: readonly Axes[]): string;
  /** Every command that these cells would give, in order, for a dry run; a comment begins with `#`. */
  plan?(cells: readonly Axes[]): string[];
  /** Axes that this cluster decides by itself, such as how many nodes it has; known after preflight, defaults there. */
  given?(): AxisTexts;
  /** The one-minute check of a cluster that is there already; changes nothing. @throws UsageError. */
  diagnose?(suspect: Suspect): Promise<Diagnosis>;
  /**
   * Looks on while somebody else releases on a cluster that is there already: all events of a `Cluster`, without writing
   * anything. @throws UsageError where there is no such Service.
   */
  observe?(suspect: Suspect, context: OnlookerContext): Promise<Onlooker>;
  /**
   * How many of these cells may be played side by side here, each by a process in namespaces of its own; absent: the run
   * itself plays one after the other. The process knows this provider by its name only, without what was configured.
   */
  lanes?(cells: readonly Axes[], speed?: number): number;
  /** Called once after a run's last cell: removes what was held ready for a next one. */
  close?(): Promise<void>;
}

/** The switches of the machines that nodes are. */
export interface Power {
  /** Cuts a node's power: nothing on it says goodbye, and nobody is told. @throws KubeError NotFound. */
  off(node: string): Promise<void>;
  /** Every machine that was switched off is a node again that is ready, and runs what the API still has for it. */
  on(): Promise<void>;
}

/** One cluster, from open to dispose; it records what it sees all that time. */
export interface Cluster extends AsyncDisposable {
  readonly clock: Clock;
  readonly kube: Kube;
  /**
   * Resolves when clients can reach the Service under test through its balancer.
   * @throws NotReachedError, InterruptedError once `signal` (default: the run's) is aborted.
   */
  reachable(service: string, limit: Millis, signal?: AbortSignal): Promise<void>;
  /** Where `node-power` is offered. */
  readonly power?: Power;
  /** POST to the gateway's admin port in this pod, for instance `/fail-readiness` or `/drain?over=300000`. */
  call(pod: string, path: string): Promise<void>;
  /** Opens a WebSocket; never throws, failure arrives as closed. */
  dial(client: ClientAddress, handlers: SocketHandlers): Socket;
  /** Writes what a person needs to debug a broken run into `directory`. */
  collect(directory: string): Promise<void>;
  /** It has an ingress controller of its own: clients of an Ingress, or of an HTTPRoute, come by that one. */
  readonly hasIngressController?: boolean;
  /** What the chart of the user's own gateway makes its pods of, where it comes with one. */
  readonly podTemplates?: PodTemplates;
  /** Facts about this cluster for the report's "how it was run", such as versions and modes. */
  readonly facts: Readonly<Record<string, string>>;
}
