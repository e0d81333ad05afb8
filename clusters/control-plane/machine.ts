import type { V1Pod } from '@kubernetes/client-node';
import type { Millis } from '../../harness/time/duration.ts';
import type { BalancerProgram } from './balancer/balancer-program.ts';
import type { IngressConfig } from './ingress/ingress.ts';
import type { NodeRules } from './kube-proxy/rules.ts';
import type { MeshConfig } from './mesh/mesh.ts';

/**
 * What the embedded control plane acts upon: modelled in `sim`, the Linux kernel in `netns`. It decides nothing;
 * it starts what it is told to start, programs what it is told to program, and reports back.
 * Callbacks are never called before the method that took them has returned.
 */
export interface Machine extends AsyncDisposable {
  /** Adds a node's network stack, with no Service rules yet. */
  addNode(node: MachineNode): Promise<void>;
  /** Takes the node away as a deleted virtual machine goes: no goodbye. Pods on it are killed. */
  removeNode(name: string): Promise<void>;
  /** Starts a pod's process on its node; the image decides what it runs. */
  startPod(pod: PodStart): PodProcess;
  /** kube-proxy's sync: replaces all Service rules and health answers of this node, atomically. Resolves once in force. */
  programNode(rules: NodeRules): Promise<void>;
  /** The balancer's whole table: replaces all forwarding rules, atomically. Resolves once in force. */
  programBalancer(programs: readonly BalancerProgram[]): Promise<void>;
  /** A balancer's health check. `done(false)` for anything but 200, or a handshake, within `timeout`. */
  checkHealth(target: CheckTarget, timeout: Millis, done: (ok: boolean) => void): void;
  /** CPU that a pod has used on average since this was last asked, in millicores; undefined when nobody can say. For the autoscaler. */
  usage?(pod: string): number | undefined;
  /** A metric of the gateways for the autoscaler, such as `connections`: one pod's, or that of all together. */
  metric?(name: string, pod?: string): number | undefined;
}

/** Whom a balancer asks: a port of a node, or of the pod on it that has this address. */
export interface CheckTarget {
  readonly node: string;
  /** Of a pod. */
  readonly address?: string;
  readonly port: number;
  /** GET `/healthz`, or a TCP handshake. */
  readonly by: 'http' | 'tcp';
}

export interface MachineNode {
  readonly name: string;
  /** 1, 2, 3, ...; addresses follow from it. */
  readonly number: number;
  readonly address: string;
  readonly podCidr: string;
}

export interface PodStart {
  /** As stored: spec (containers, env, ports), metadata.name, spec.nodeName. */
  readonly pod: V1Pod;
  readonly node: string;
  /** The pod's own address, chosen by the control plane from the node's podCIDR. */
  readonly address: string;
  /** The container's environment with fieldRefs resolved; durations in it are in model milliseconds. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether this kubelet lets a sidecar outlive the application beside it. */
  readonly nativeSidecars: boolean;
  /** The process runs: probes may begin. */
  started(): void;
  /** The process is gone, by signal or by itself; exactly once. */
  exited(why: string): void;
}

export interface PodProcess {
  /** kubelet's HTTP probe: `done(true)` for 200-399 within `timeout`. */
  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void;
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
  /**
   * Ingress controllers only: hands nginx a configuration, with a reload or without. Resolves once it has been told;
   * workers look at what needs no reload once a second. @throws HarnessError when it cannot be told.
   */
  configure?(config: IngressConfig, reload: boolean): Promise<void>;
  /** Mesh gateways only: what istiod pushes. @throws HarnessError when it cannot be told. */
  configureProxy?(config: MeshConfig): Promise<void>;
  /** The pod is being deleted and its first container still in preStop: the containers beside it get SIGTERM at once. */
  terminateSidecars?(): void;
  /** POST to a port of the pod, as kubectl proxy would. @throws HarnessError when it does not answer 2xx. */
  post(path: string, port: number): Promise<void>;
}
