import type { Clock } from '../../../harness/time/clock.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import type { HopAct, RunningProxy } from '../../control-plane/ingress/running-proxy.ts';
import type { LaunchedProcess, ProcessHandlers } from '../launcher/launcher.ts';

/** What of the configuration of a real proxy does not come from the cluster's objects, whichever proxy it is. */
export interface ProxySettings {
  /** Its own folder: absolute and short, since a socket's path may have 107 characters. */
  readonly directory: string;
  /** Where clients and kubelet come to. */
  readonly address: string;
  /** Its ports, and the times that were set. */
  readonly is: RunningProxy;
  /** Model milliseconds a real one: all that the proxy measures itself is this much shorter. */
  readonly speed: number;
}

/** How a real proxy is run; it never touches a file outside its directory. */
export interface ProxyHost {
  readonly clock: Clock;
  /** Starts a program in the pod's network namespace and a process group of its own. */
  start(file: string, args: readonly string[], handlers: ProcessHandlers): Pick<LaunchedProcess, 'signal'>;
  /** What the proxy did to connections. */
  acted(act: HopAct): void;
  /** Every line that it logs. */
  logged(line: string): void;
  exited(why: string): void;
}

/** A real proxy with its controller's duties. */
export interface ProxyProgram {
  /** Resolves once it accepts connections. @throws HarnessError when it ended instead. */
  ready(): Promise<void>;
  /** Hands it a configuration, with a reload or without. @throws HarnessError when it does not take it. */
  configure(config: IngressConfig, reload: boolean): Promise<void>;
  /** SIGTERM of its pod. */
  terminate(): void;
  /** At once, with all its workers. */
  kill(): void;
}
