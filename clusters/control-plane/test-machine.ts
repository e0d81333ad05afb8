import { HarnessError } from '../../harness/errors.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import type { BalancerProgram } from './balancer/balancer-program.ts';
import type { NodeRules } from './kube-proxy/rules.ts';
import type { CheckTarget, Machine, MachineNode, PodProcess, PodStart } from './machine.ts';

/** How the pods of a test behave; each may be changed while the test runs. */
interface Script {
  /** From start to running. */
  boot: Millis;
  /** From SIGTERM to exit; undefined: SIGTERM is ignored. */
  exit: Millis | undefined;
}

/** A pod of the test machine. */
class TestPod implements PodProcess {
  readonly start: PodStart;
  readonly signals: string[] = [];
  readonly posts: string[] = [];
  ready = true;
  alive = true;
  gone = false;
  /** Probes by path, with when they were asked. */
  readonly probes: { readonly path: string; readonly at: Millis }[] = [];
  private readonly clock: Clock;
  private readonly script: Script;

  constructor(clock: Clock, script: Script, start: PodStart) {
    this.clock = clock;
    this.script = script;
    this.start = start;
    clock.after(script.boot, () => {
      if (!this.gone) start.started();
    });
  }

  probe(path: string, _port: number, _timeout: Millis, done: (ok: boolean) => void): void {
    this.probes.push({ path, at: this.clock.now() });
    const ok = path === '/livez' ? this.alive : this.ready;
    this.clock.after(1, () => done(ok && !this.gone));
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.signals.push(signal);
    if (signal === 'SIGKILL') this.clock.after(1, () => this.die('SIGKILL'));
    else if (this.script.exit !== undefined) this.clock.after(this.script.exit, () => this.die('exit 0'));
  }

  async post(path: string): Promise<void> {
    if (this.gone) throw new HarnessError('the pod is gone');
    this.posts.push(path);
    if (path === '/fail-readiness') this.ready = false;
  }

  die(why: string): void {
    if (this.gone) return;
    this.gone = true;
    this.start.exited(why);
  }
}

/** A machine without any network: remembers what it was told, and its pods follow a script. */
export class TestMachine implements Machine {
  readonly nodes = new Map<string, MachineNode>();
  readonly pods: TestPod[] = [];
  readonly rules = new Map<string, NodeRules>();
  /** Every table of the balancer, with when it came in force. */
  readonly programs: { readonly at: Millis; readonly table: readonly BalancerProgram[] }[] = [];
  /** Every sync of a node. */
  readonly syncs: { readonly at: Millis; readonly node: string }[] = [];
  readonly script: Script = { boot: 50, exit: 20 };
  /** Millicores by pod, and metrics of all pods together by name. */
  readonly usages = new Map<string, number>();
  readonly metrics = new Map<string, number>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  async addNode(node: MachineNode): Promise<void> {
    this.nodes.set(node.name, node);
  }

  async removeNode(name: string): Promise<void> {
    this.nodes.delete(name);
    this.rules.delete(name);
    for (const pod of this.pods) if (pod.start.node === name) pod.die('its machine is gone');
  }

  startPod(start: PodStart): TestPod {
    const pod = new TestPod(this.clock, this.script, start);
    this.pods.push(pod);
    return pod;
  }

  async programNode(rules: NodeRules): Promise<void> {
    this.syncs.push({ at: this.clock.now(), node: rules.node });
    this.rules.set(rules.node, rules);
  }

  async programBalancer(programs: readonly BalancerProgram[]): Promise<void> {
    this.programs.push({ at: this.clock.now(), table: programs });
  }

  checkHealth({ node, port, by }: CheckTarget, _timeout: Millis, done: (ok: boolean) => void): void {
    const { health } = this.rules.get(node) ?? { health: [] };
    const ok = by === 'tcp' || (health.find((answer) => answer.port === port)?.ok ?? false);
    this.clock.after(1, () => done(ok));
  }

  usage(pod: string): number | undefined {
    return this.usages.get(pod);
  }

  metric(name: string): number | undefined {
    return this.metrics.get(name);
  }

  /** The latest process of a pod. */
  pod(name: string): TestPod {
    const pod = this.pods.findLast(({ start }) => start.pod.metadata?.name === name);
    if (pod === undefined) throw new HarnessError(`the test machine never started ${name}`);
    return pod;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
