import type { V1Pod } from '@kubernetes/client-node';
import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { HarnessError } from '../../../harness/errors.ts';
import { bootRange, bootTime } from '../../../harness/gateway/boot.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { HOLDER_IMAGE, SUPERVISOR_IMAGE } from '../../../harness/workload/handoff-workload.ts';
import {
  INJECT_LABEL,
  MESH_GATEWAY_IMAGE,
  NATIVE_SIDECAR_ANNOTATION,
  TEMPLATE_ANNOTATION,
} from '../../../harness/workload/mesh-workload.ts';
import { INGRESS_IMAGE } from '../../../harness/workload/workload.ts';
import type { IngressConfig } from '../../control-plane/ingress/ingress.ts';
import { runningProxy } from '../../control-plane/ingress/running-proxy.ts';
import type { PodProcess, PodStart } from '../../control-plane/machine.ts';
import { agentSettings, type MeshConfig } from '../../control-plane/mesh/mesh.ts';
import { annotationsOf, labelsOf } from '../../control-plane/store/objects.ts';
import type { Fabric } from '../network/fabric.ts';
import { type Address, parseAddress } from '../network/ipv4.ts';
import type { SimNode } from '../network/node.ts';
import type { PodEnd } from '../network/pod-end.ts';
import { gatewaySettings, SimGateway } from './gateway.ts';
import { SimHolder } from './holder.ts';
import { SimIngress } from './ingress.ts';
import { SimMeshGateway, SimSidecar } from './mesh.ts';
import { type SimProcess, socketsOf } from './process.ts';
import { SimSupervisor } from './supervisor.ts';

interface Host {
  readonly clock: Clock;
  readonly fabric: Fabric;
  readonly node: SimNode;
  /** From the start of the process until it listens, where its environment does not say. */
  readonly bootTime: Millis;
  readonly random: Random;
  record(event: TimedEvent): void;
}

type Run = (
  env: Readonly<Record<string, string>>,
  host: Host & { readonly pod: SimPod; readonly manifest: V1Pod; exit(why: string): void },
) => SimProcess;

/** What runs in a pod of any other image, as one's own gateway. */
const gateway: Run = (env, host) => new SimGateway(gatewaySettings(env), host);

const IMAGES: Readonly<Record<string, Run>> = {
  [INGRESS_IMAGE]: (env, host) => new SimIngress(runningProxy(env), host),
  [HOLDER_IMAGE]: (env, host) => new SimHolder(env, host),
  [MESH_GATEWAY_IMAGE]: (env, host) => new SimMeshGateway(env, agentSettings(host.manifest), host),
  [SUPERVISOR_IMAGE]: (env, host) => new SimSupervisor(gatewaySettings(env), host),
};

/** Whether Istio's webhook puts an Envoy beside the pod's first container. */
const hasSidecar = (pod: V1Pod) =>
  labelsOf(pod)[INJECT_LABEL] === 'true' && annotationsOf(pod)[TEMPLATE_ANNOTATION] === undefined;

/** Since 1.27 Istio injects native sidecars unless it is told otherwise (istio releasenotes native-sidecar-default). */
const asksForNativeSidecar = (pod: V1Pod) => annotationsOf(pod)[NATIVE_SIDECAR_ANNOTATION] !== 'false';

/** One pod: its address on a node, and the process in it, which its image decides. */
export class SimPod implements PodEnd, PodProcess {
  readonly name: string;
  readonly address: Address;
  readonly node: SimNode;
  readonly process: SimProcess;
  epoch = 0;
  private state: 'starting' | 'running' | 'gone' = 'starting';
  private readonly start: PodStart;
  private readonly clock: Clock;
  private readonly fabric: Fabric;
  private readonly timer: Disposable;
  /** When its use was last asked for, and its processor time then. */
  private asked: { readonly at: Millis; readonly used: Millis };

  constructor(start: PodStart, host: Host) {
    this.start = start;
    this.clock = host.clock;
    this.fabric = host.fabric;
    this.node = host.node;
    this.name = start.pod.metadata?.name ?? '';
    this.address = parseAddress(start.address);
    const exit = (why: string) => this.exit(why);
    const env: Readonly<Record<string, string>> = { POD_NAME: this.name, ...start.env };
    const run = IMAGES[start.pod.spec?.containers[0]?.image ?? ''] ?? gateway;
    const boot = bootRange(env.BOOT_TIME ?? '');
    const booting = boot === undefined ? host.bootTime : bootTime(boot, this.name);
    const inside = { ...host, bootTime: booting, exit, pod: this, manifest: start.pod };
    this.process = hasSidecar(start.pod)
      ? new SimSidecar(
          this.name,
          agentSettings(start.pod),
          start.nativeSidecars && asksForNativeSidecar(start.pod),
          inside,
          (exited) => run(env, { ...inside, exit: exited }),
        )
      : run(env, inside);
    this.asked = { at: host.clock.now(), used: 0 };
    this.timer = host.clock.after(booting, () => {
      this.state = 'running';
      start.started();
    });
    host.fabric.addPod(this);
  }

  listens(port: number): boolean {
    return this.state === 'running' && this.process.listens(port);
  }

  probe(path: string, port: number, timeout: Millis, done: (ok: boolean) => void): void {
    if (!this.node.alive) {
      this.clock.after(timeout, () => done(false));
      return;
    }
    this.clock.after(0, () => {
      const wait = this.takes();
      const answer = () => {
        const status = this.admin('GET', path, port);
        done(status !== undefined && status >= 200 && status < 400);
      };
      if (wait === 0) answer();
      else if (wait > timeout) this.clock.after(timeout, () => done(false));
      else this.clock.after(wait, answer);
    });
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.state === 'gone') return;
    if (signal === 'SIGTERM' && this.state === 'running') this.process.terminate();
    else {
      this.process.kill(signal);
      this.exit(signal);
    }
  }

  async post(path: string, port: number): Promise<void> {
    const wait = this.takes();
    if (wait > 0) await this.clock.sleep(wait);
    const status = this.admin('POST', path, port);
    if (status === undefined)
      throw new HarnessError(`POST ${path} to pod ${this.name}: nothing listens on port ${port}`);
    if (status >= 300) throw new HarnessError(`POST ${path} to pod ${this.name}: answered ${status}`);
  }

  async configure(config: IngressConfig, reload: boolean): Promise<void> {
    if (this.state !== 'running' || this.process.configure === undefined)
      throw new HarnessError(`pod ${this.name} cannot be configured: no ingress controller runs in it`);
    this.process.configure(config, reload);
  }

  async configureProxy(config: MeshConfig): Promise<void> {
    if (this.state !== 'running' || this.process.configureProxy === undefined)
      throw new HarnessError(`pod ${this.name} cannot be configured: no mesh gateway runs in it`);
    this.process.configureProxy(config);
  }

  terminateSidecars(): void {
    if (this.state === 'running') this.process.terminateSidecars?.();
  }

  /** Of a gateway: what it has used since this was last asked, in millicores. */
  usage(): number | undefined {
    const used = this.state === 'running' ? this.process.processorTime?.() : undefined;
    if (used === undefined) return undefined;
    const { asked } = this;
    this.asked = { at: this.clock.now(), used };
    const elapsed = this.asked.at - asked.at;
    return elapsed > 0 ? ((used - asked.used) / elapsed) * 1000 : undefined;
  }

  /** Of a gateway: what it tells of itself, by name. */
  metric(name: string): number | undefined {
    if (this.state !== 'running' || this.process.processorTime === undefined) return undefined;
    return name === 'connections' ? [...this.process.connections].length : undefined;
  }

  /** The node is gone, and with it everything on it: nobody is told anything. */
  vanish(): void {
    if (this.state === 'gone') return;
    this.process.kill('its node is gone');
    for (const connection of socketsOf(this.process)) connection.vanish();
    this.ended('its node is gone');
  }

  /** How long a request to the admin port takes. */
  private takes(): Millis {
    return this.state === 'running' ? (this.process.asked?.() ?? 0) : 0;
  }

  private admin(method: string, path: string, port: number): number | undefined {
    return this.state === 'running' ? this.process.request(method, path, port) : undefined;
  }

  /** The process ends: its kernel closes what is open, then the pod's network goes. */
  private exit(why: string): void {
    if (this.state === 'gone') return;
    for (const connection of socketsOf(this.process)) connection.end();
    this.ended(why);
  }

  private ended(why: string): void {
    this.state = 'gone';
    this.timer[Symbol.dispose]();
    this.fabric.removePod(this);
    this.clock.after(0, () => this.start.exited(why));
  }
}
