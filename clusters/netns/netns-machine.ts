import { clientProtocol } from '../../harness/config/client-protocol.ts';
import { drainsOwn } from '../../harness/config/own-gateway.ts';
import type { Axes } from '../../harness/contracts/axes.ts';
import type { Config } from '../../harness/contracts/config.ts';
import type { TimedEvent } from '../../harness/contracts/event.ts';
import { HarnessError } from '../../harness/errors.ts';
import { type Said, saidEvent } from '../../harness/gateway/said.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { tolerated } from '../../harness/time/tolerance.ts';
import { HOLDER_IMAGE } from '../../harness/workload/handoff-workload.ts';
import { ADMIN_PORT, INGRESS_IMAGE, OWN_IMAGE } from '../../harness/workload/workload.ts';
import type { BalancerProgram } from '../control-plane/balancer/balancer-program.ts';
import { runningProxy } from '../control-plane/ingress/running-proxy.ts';
import type { NodeRules, ServiceRules } from '../control-plane/kube-proxy/rules.ts';
import type { CheckTarget, Machine, MachineNode, PodProcess, PodStart } from '../control-plane/machine.ts';
import { BalancerBox } from './fabric/balancer.ts';
import { BALANCER_NAMESPACE, Fabric } from './fabric/fabric.ts';
import { iptablesRestore, iptablesSetup } from './fabric/iptables.ts';
import { nftablesTransaction } from './fabric/nftables.ts';
import { NodeAgent } from './fabric/node-agent.ts';
import type { Launcher } from './launcher/launcher.ts';
import { GatewayLoad } from './pods/gateway-load.ts';
import { realTimeout } from './pods/http.ts';
import { OwnPod } from './pods/own-pod.ts';
import { GatewayProcess, PROGRAMS } from './pods/pod.ts';
import { ProxyPod } from './pods/proxy-pod.ts';

/** A pod's network goes this much model time after its process, as kubelet removes the sandbox; never under 250 ms real. */
const SANDBOX_REMOVAL = { model: 2000, real: 250 } as const;

interface Node {
  readonly machine: MachineNode;
  readonly agent: NodeAgent;
  /** Rules in force. */
  rules: NodeRules | undefined;
  readonly pods: Set<Pod>;
}

interface Pod {
  readonly name: string;
  readonly namespace: string;
  process: PodProcess | undefined;
  /** Of a running gateway. */
  load: GatewayLoad | undefined;
  /** A signal that came before there was a process to take it. */
  killed: boolean;
}

interface MachineOptions {
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly axes: Axes;
  readonly record: (event: TimedEvent) => void;
  /** The user's own gateway; undefined: the built-in one. */
  readonly own: Config | undefined;
  /** Aborted when the run is asked to end. */
  readonly signal?: AbortSignal;
}

/** The Linux kernel as the control plane's machine: namespaces, real rules, real processes. */
export class NetnsMachine implements Machine {
  private readonly launcher: Launcher;
  private readonly fabric: Fabric;
  private readonly clock: Clock;
  private readonly record: (event: TimedEvent) => void;
  /** The user's own gateway. */
  private readonly own: Config | undefined;
  /** Of a pod. */
  private readonly processors: number;
  private readonly nodes = new Map<string, Node>();
  private readonly numbers = new Map<string, number>();
  private readonly balancer: BalancerBox;
  private readonly pending = new Set<Promise<void>>();
  private pods = 0;
  private readonly signal: AbortSignal | undefined;
  private readonly ending = new AbortController();

  private constructor(fabric: Fabric, { launcher, clock, axes, record, own, signal }: MachineOptions) {
    this.processors = axes.podCpu ?? 1;
    this.signal = signal;
    this.own = own;
    this.launcher = launcher;
    this.fabric = fabric;
    this.clock = clock;
    this.record = record;
    this.balancer = new BalancerBox(
      (node) => this.numbers.get(node) ?? 0,
      clock.speed,
      (args, input = '') => launcher.command(BALANCER_NAMESPACE, 'nft', args, { input }),
    );
  }

  /** @throws HarnessError outside namespaces of our own. */
  static async open(options: MachineOptions): Promise<NetnsMachine> {
    const { launcher, clock, axes } = options;
    const fabric = await Fabric.open({ launcher, tcpLoose: Number(axes.tcpLoose), speed: clock.speed });
    return new NetnsMachine(fabric, options);
  }

  async addNode(machine: MachineNode): Promise<void> {
    this.numbers.set(machine.name, machine.number);
    await this.fabric.addNode(machine);
    const part = `agent of ${machine.name}, which answers its health checks`;
    const told = {
      counted: (values: Readonly<Record<string, number>>) =>
        this.record({ type: 'evidence', source: machine.name, values }),
      lagged: (lag: number) =>
        this.record({ type: 'harness', lag: Math.round(lag * this.clock.speed), drift: 0, part }),
      died: (why: string) => this.record({ type: 'harness-died', part, why }),
    };
    const agent = await NodeAgent.start(this.launcher, machine.name, told, this.signal);
    this.nodes.set(machine.name, { machine, agent, rules: undefined, pods: new Set() });
  }

  async removeNode(name: string): Promise<void> {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    this.nodes.delete(name);
    // The network first, so that no dying process gets a word out.
    await this.fabric.removeNode(node.machine);
    node.agent[Symbol.dispose]();
    for (const pod of node.pods) kill(pod);
  }

  startPod(start: PodStart): PodProcess {
    const node = this.nodes.get(start.node);
    const image = start.pod.spec?.containers[0]?.image;
    const name = start.pod.metadata?.name ?? '';
    if (node === undefined)
      throw new HarnessError(`Cannot start pod ${name}: there is no node ${start.node}`);
    const program = PROGRAMS[image ?? ''];
    if (program === undefined && image !== INGRESS_IMAGE && image !== OWN_IMAGE)
      throw new HarnessError(
        `Cannot start pod ${name}: image ${image} is not known here, only ${[...Object.keys(PROGRAMS), INGRESS_IMAGE].join(', ')}`,
      );
    const namespace = `pod-${++this.pods}`;
    const pod: Pod = { name, namespace, process: undefined, load: undefined, killed: false };
    node.pods.add(pod);
    const exited = (why: string) => {
      node.pods.delete(pod);
      start.exited(why);
    };
    this.later(async () => {
      await this.fabric.addPod(pod.namespace, node.machine, start.address);
      if (pod.killed) {
        exited('SIGKILL');
        await this.fabric.removePod(pod.namespace, node.machine);
        return;
      }
      const { clock, launcher, record } = this;
      const common = { namespace, address: start.address, env: start.env, started: () => start.started() };
      const said = (line: Said) => {
        const { load } = line;
        if (load !== undefined) pod.load?.spent(load.busy * load.over * this.processors);
        const event = saidEvent(name, image === HOLDER_IMAGE ? { ...line, hop: true } : line);
        if (event !== undefined) record(event);
      };
      const ended = (why: string) => {
        exited(why);
        const delay = tolerated(SANDBOX_REMOVAL, clock.speed);
        this.later(async () => {
          await clock.sleep(delay, this.ending.signal);
          await this.fabric.removePod(namespace, node.machine);
        });
      };
      const { own } = this;
      const [container] = start.pod.spec?.containers ?? [];
      if (own !== undefined && container !== undefined && image === OWN_IMAGE) {
        const { redact } = clientProtocol(own);
        const drains = (path: string) => drainsOwn(own, path);
        const speed = clock.speed;
        pod.process = new OwnPod(launcher, {
          ...common,
          container,
          speed,
          redact,
          drains,
          said,
          exited: ended,
        });
        // Nobody but its readinessProbe can tell when it listens.
        start.started();
        return;
      }
      pod.process =
        program === undefined
          ? new ProxyPod({
              ...common,
              is: runningProxy({ POD_NAME: name, ...start.env }),
              launcher,
              clock,
              record,
              exited: ended,
            })
          : new GatewayProcess(launcher, {
              ...common,
              program,
              speed: clock.speed,
              started: (pid) => {
                const url = `http://${start.address}:${start.env.ADMIN_PORT ?? ADMIN_PORT}/connections`;
                if (pid !== undefined) pod.load = new GatewayLoad(clock, pid, url);
                start.started();
              },
              said,
              exited: (why) => {
                if (why === 'SIGKILL') said({ did: 'killed', why });
                ended(why);
              },
            });
    }, exited);
    return {
      probe: (path, port, timeout, done) => {
        if (pod.process) pod.process.probe(path, port, timeout, done);
        else this.clock.after(0, () => done(false));
      },
      signal: (signal) => {
        if (pod.process) pod.process.signal(signal);
        else pod.killed = true;
      },
      post: async (path, port) => {
        if (!pod.process)
          throw new HarnessError(`Cannot POST ${path} to pod ${name}: it has not started yet`);
        await pod.process.post(path, port);
      },
      configure: async (config, reload) => {
        if (pod.process?.configure === undefined)
          throw new HarnessError(`Cannot configure pod ${name}: no ingress controller runs in it`);
        await pod.process.configure(config, reload);
      },
    };
  }

  async programNode(rules: NodeRules): Promise<void> {
    const node = this.nodes.get(rules.node);
    if (node === undefined) return;
    const before = node.rules;
    node.rules = rules;
    await this.fabric.setLocalAddresses(rules.node, before?.localAddresses ?? [], rules.localAddresses);
    await applyRules(this.launcher, rules.node, rules.rules, before?.rules);
    await node.agent.answer(rules);
  }

  programBalancer(programs: readonly BalancerProgram[]): Promise<void> {
    return this.balancer.program(programs);
  }

  checkHealth(target: CheckTarget, timeout: Millis, done: (ok: boolean) => void): void {
    const node = this.nodes.get(target.node);
    if (node === undefined) {
      this.clock.after(timeout, () => done(false));
      return;
    }
    const address = target.address ?? node.machine.address;
    const limit = realTimeout(timeout, this.clock.speed);
    if (target.by === 'tcp') {
      this.launcher.accepts(address, target.port, limit).then(done);
      return;
    }
    this.launcher.http('GET', address, target.port, '/healthz', limit).then(
      (status) => done(status === 200),
      () => done(false),
    );
  }

  usage(pod: string): number | undefined {
    return this.loads((each) => each.name === pod)[0]?.usage();
  }

  metric(name: string, pod?: string): number | undefined {
    const loads = this.loads((each) => pod === undefined || each.name === pod);
    const values = loads.flatMap((load) => load.metric(name) ?? []);
    return values.length > 0 ? values.reduce((sum, value) => sum + value) : undefined;
  }

  private loads(wanted: (pod: Pod) => boolean): GatewayLoad[] {
    const pods = [...this.nodes.values()].flatMap((node) => [...node.pods]);
    return pods.filter(wanted).flatMap(({ load }) => load ?? []);
  }

  /** What a person needs to see how packets go: each node's rules with counters, and the balancer's. */
  async dump(): Promise<Record<string, string>> {
    const texts: Record<string, string> = { 'balancer.nft': await this.balancer.counters() };
    for (const [name, { rules }] of this.nodes)
      texts[`${name}.rules`] =
        rules?.rules.mode === 'nftables'
          ? await this.launcher.command(name, 'nft', ['list', 'ruleset'])
          : await this.launcher.command(name, 'iptables-save', ['--counters']);
    return texts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
    for (const { agent, pods } of this.nodes.values()) {
      agent[Symbol.dispose]();
      for (const pod of pods) kill(pod);
    }
    await Promise.allSettled(this.pending);
    await this.fabric[Symbol.asyncDispose]();
  }

  /** Runs work that nobody awaits but dispose. */
  private later(work: () => Promise<void>, failed?: (why: string) => void): void {
    const promise = work()
      .catch((error: Error) => {
        if (!this.ending.signal.aborted) failed?.(error.message);
      })
      .finally(() => this.pending.delete(promise));
    this.pending.add(promise);
  }
}

function kill(pod: Pod): void {
  pod.killed = true;
  pod.process?.signal('SIGKILL');
}

/** Puts a node's Service rules in force, each table in one step, as kube-proxy does. */
async function applyRules(
  launcher: Launcher,
  node: string,
  rules: ServiceRules,
  before: ServiceRules | undefined,
): Promise<void> {
  switch (rules.mode) {
    case 'iptables': {
      const previous = before?.mode === rules.mode ? before : undefined;
      const setup = previous === undefined ? iptablesSetup(rules) : '';
      const input = setup + iptablesRestore(rules, previous);
      await launcher.command(node, 'iptables-restore', ['--noflush'], { input });
      return;
    }
    case 'nftables': {
      const previous = before?.mode === rules.mode ? before : undefined;
      const input = nftablesTransaction(rules, previous);
      await launcher.command(node, 'nft', ['-f', '-'], { input });
      return;
    }
    default:
      throw new HarnessError(`Proxy mode ${rules.mode} cannot be put in force here`);
  }
}
