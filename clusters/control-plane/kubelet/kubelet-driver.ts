import type { V1ContainerStatus, V1Pod, V1PodCondition } from '@kubernetes/client-node';
import { HarnessError } from '../../../harness/errors.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { ADMIN_PORT } from '../../../harness/workload/workload.ts';
import { podAddress } from '../addresses.ts';
import type { Context } from '../context.ts';
import { behaviourOf, type KubernetesBehaviour } from '../kubernetes-versions.ts';
import type { MachineNode, PodProcess } from '../machine.ts';
import { isDeleting, labelsOf, nameOf, timestamp, uidOf } from '../store/objects.ts';
import { podCondition } from '../store/pods.ts';
import {
  createKubelet,
  isReady,
  type KubeletAction,
  type KubeletConfig,
  type KubeletInput,
  type KubeletState,
  kubeletConfig,
  type ProbeName,
  step,
  wakeAt,
} from './kubelet.ts';
import { termination } from './termination.ts';

/** From a pod bound to a node to its process: watch, sandbox, address, container, with the image already there. */
const POD_START = { least: 300, most: 1000 } as const;
/** From a change in the API to the kubelet's acting on it. */
const WATCH = { least: 2, most: 20 } as const;
/** From the start of a container to the kubelet's noticing it: it lists all containers once a second (pleg/generic.go). */
const RELIST = { least: 0, most: 1000 } as const;

interface Running {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly config: KubeletConfig;
  readonly address: string;
  state: KubeletState;
  process: PodProcess | undefined;
  /** Counts processes, so that a late answer of an earlier one is told apart. */
  incarnation: number;
  timer: Disposable | undefined;
  starting: Disposable | undefined;
  exit: string | undefined;
  /** Seconds that the API has granted it so far, once it is being deleted. */
  grace: number | undefined;
}

interface View {
  readonly phase: 'pending' | 'running' | 'terminating';
  readonly ready: boolean;
  readonly node: string;
}

/** The kubelets of all nodes: runs each pod's state machine against the machine and writes its status. */
export class KubeletDriver implements Disposable {
  private readonly context: Context;
  private readonly behaviour: KubernetesBehaviour;
  private readonly nodes = new Map<string, { number: number; last: number; used: Set<string> }>();
  private readonly pods = new Map<string, Running>();
  private readonly seen = new Map<string, View>();
  private readonly timers = new Set<Disposable>();
  /** Why the next change of a pod's status comes about, for the log. */
  private why: string | undefined;

  constructor(context: Context) {
    this.context = context;
    this.behaviour = behaviourOf(context.axes.kubernetes);
    context.store.watch((type, object) => {
      if (object.kind !== 'Pod') return;
      this.log(type, object as V1Pod);
      this.notice(type, object as V1Pod);
    });
  }

  addNode(node: MachineNode): void {
    this.nodes.set(node.name, { number: node.number, last: 1, used: new Set() });
    // A machine that is back finds pods bound to it of which nothing runs any more.
    for (const pod of this.context.store.list('Pod').filter(({ spec }) => spec?.nodeName === node.name))
      if (isDeleting(pod)) this.context.store.remove('Pod', nameOf(pod));
      else this.notice('added', pod);
  }

  /** The node is gone with all that ran on it; nobody is left to tell the API. */
  removeNode(name: string): void {
    this.nodes.delete(name);
    for (const pod of this.pods.values()) if (pod.node === name) this.forget(pod);
  }

  /** POST to the pod's admin port. @throws HarnessError when there is no such running pod, or it does not answer 2xx. */
  async call(name: string, path: string): Promise<void> {
    const pod = [...this.pods.values()].find((one) => one.name === name);
    if (pod?.process === undefined || pod.state.startedAt === undefined)
      throw new HarnessError(`pod ${name} cannot be called at ${path}: it does not run`);
    const container = this.context.store.get('Pod', name)?.spec?.containers[0];
    const port = container?.ports?.find((one) => one.name === 'admin')?.containerPort ?? ADMIN_PORT;
    await pod.process.post(path, port);
  }

  /** The pod's process, once it listens. */
  process(name: string): PodProcess | undefined {
    const pod = [...this.pods.values()].find((one) => one.name === name);
    return pod?.state.startedAt === undefined ? undefined : pod.process;
  }

  [Symbol.dispose](): void {
    for (const pod of this.pods.values()) this.forget(pod);
    for (const timer of this.timers) timer[Symbol.dispose]();
  }

  private notice(type: string, pod: V1Pod): void {
    const node = pod.spec?.nodeName;
    if (node === undefined || !this.nodes.has(node)) return;
    const known = this.pods.get(uidOf(pod));
    if (type !== 'deleted' && known === undefined) {
      if (!isDeleting(pod)) this.adopt(pod, node);
      return;
    }
    if (known === undefined) return;
    // Removed from the API although it runs (grace period 0): killed with the least grace there is.
    const grace =
      type === 'deleted' ? 0 : isDeleting(pod) ? pod.metadata?.deletionGracePeriodSeconds : undefined;
    if (grace === undefined || (known.grace !== undefined && grace >= known.grace)) return;
    known.grace = grace;
    this.later(this.draw(WATCH), () => this.feed(known, { type: 'delete', grace: grace * 1000 }));
  }

  private adopt(pod: V1Pod, node: string): void {
    const config = kubeletConfig(pod, this.behaviour);
    const random = this.context.random.fork(`kubelet/${uidOf(pod)}`);
    const phase = (_probe: ProbeName, period: Millis) =>
      this.behaviour.firstProbe === 'triggered' ? 0 : random.integer(0, Math.max(1, period));
    const running: Running = {
      name: nameOf(pod),
      uid: uidOf(pod),
      node,
      config,
      address: this.address(node),
      state: createKubelet(config, phase, this.context.clock.now()),
      process: undefined,
      incarnation: 0,
      timer: undefined,
      starting: undefined,
      exit: undefined,
      grace: undefined,
    };
    this.pods.set(running.uid, running);
    running.starting = this.context.clock.after(random.integer(POD_START.least, POD_START.most), () => {
      running.starting = undefined;
      this.start(running);
    });
  }

  private start(pod: Running): void {
    const object = this.context.store.get('Pod', pod.name);
    if (object === undefined || uidOf(object) !== pod.uid) {
      this.end(pod);
      return;
    }
    const incarnation = ++pod.incarnation;
    const current = (act: () => void) => () => {
      if (this.pods.get(pod.uid) === pod && pod.incarnation === incarnation) act();
    };
    pod.process = this.context.machine.startPod({
      pod: object,
      node: pod.node,
      address: pod.address,
      env: environment(object, pod.address),
      nativeSidecars: this.behaviour.nativeSidecars,
      started: current(() => this.feed(pod, { type: 'started', noticedAfter: this.draw(RELIST) })),
      exited: (why) =>
        current(() => {
          pod.exit = why;
          pod.process = undefined;
          this.feed(pod, { type: 'exited' }, why);
        })(),
    });
  }

  private feed(pod: Running, input: KubeletInput, why?: string): void {
    if (this.pods.get(pod.uid) !== pod) return;
    if (input.type === 'delete' && pod.starting !== undefined) {
      this.end(pod);
      return;
    }
    const now = this.context.clock.now();
    const wasReady = isReady(pod.state);
    const { state, actions } = step(pod.config, pod.state, input, now);
    pod.state = state;
    pod.timer?.[Symbol.dispose]();
    pod.timer = undefined;
    if (state.stage === 'gone') {
      this.end(pod);
      return;
    }
    const flipped = isReady(state) !== wasReady && input.type === 'probed';
    this.why = why ?? (flipped ? `readinessProbe ${isReady(state) ? 'succeeded' : 'failed'}` : undefined);
    this.publish(pod);
    this.why = undefined;
    for (const action of actions) this.act(pod, action, input);
    const due = wakeAt(pod.state);
    if (due !== undefined && this.pods.get(pod.uid) === pod && pod.timer === undefined)
      pod.timer = this.context.clock.after(due - now, () => this.feed(pod, { type: 'time' }));
  }

  private act(pod: Running, action: KubeletAction, cause: KubeletInput): void {
    switch (action.do) {
      case 'start':
        this.start(pod);
        return;
      case 'probe':
        this.probe(pod, action.probe);
        return;
      case 'preStop':
        pod.process?.terminateSidecars?.();
        this.preStop(pod);
        return;
      case 'signal': {
        const liveness = cause.type === 'probed' ? ' (livenessProbe failed)' : '';
        this.tell(pod, `${action.signal}${liveness}`);
        pod.process?.signal(action.signal);
      }
    }
  }

  private probe(pod: Running, name: ProbeName): void {
    const config = pod.config.probes[name];
    const { process, incarnation } = pod;
    if (config === undefined || process === undefined) return;
    process.probe(config.path, config.port, config.timeout, (ok) => {
      if (pod.incarnation === incarnation) this.feed(pod, { type: 'probed', probe: name, ok });
    });
  }

  private preStop(pod: Running): void {
    const hook = pod.config.preStop;
    const { incarnation } = pod;
    const done = () => {
      if (pod.incarnation === incarnation) this.feed(pod, { type: 'preStopped' });
    };
    this.tell(pod, 'preStop');
    if (hook.kind === 'sleep') this.later(hook.for, done);
    else if (hook.kind === 'http') pod.process?.probe(hook.path, hook.port, pod.config.grace, done);
  }

  /** Writes the pod's status as this kubelet sees it. */
  private publish(pod: Running): void {
    const object = this.context.store.get('Pod', pod.name);
    if (object === undefined || uidOf(object) !== pod.uid) return;
    const now = this.context.clock.now();
    const { state } = pod;
    const ready = isReady(state);
    const started = state.startedAt !== undefined;
    const startedOnce = started || object.status?.podIP !== undefined;
    const container: V1ContainerStatus = {
      name: object.spec?.containers[0]?.name ?? '',
      image: object.spec?.containers[0]?.image ?? '',
      imageID: '',
      ready,
      started,
      restartCount: state.restarts,
      state: started
        ? { running: { startedAt: timestamp(state.startedAt as Millis) } }
        : { waiting: state.stage === 'back-off' ? { reason: 'CrashLoopBackOff' } : {} },
      ...(pod.exit === undefined ? {} : { lastState: { terminated: termination(pod.exit) } }),
    };
    this.context.store.update('Pod', pod.name, (current) => ({
      ...current,
      status: {
        ...current.status,
        startTime: current.status?.startTime ?? timestamp(now),
        phase: state.stage === 'finished' ? 'Failed' : startedOnce ? 'Running' : 'Pending',
        ...(startedOnce ? { podIP: pod.address, podIPs: [{ ip: pod.address }] } : {}),
        conditions: [
          ...(current.status?.conditions ?? []).filter(
            ({ type }) => !['Initialized', 'ContainersReady', 'Ready'].includes(type),
          ),
          transition(current, 'Initialized', true, now),
          transition(current, 'ContainersReady', ready, now),
          transition(current, 'Ready', ready, now),
        ],
        containerStatuses: [container],
      },
    }));
  }

  /** The pod's last process is gone: its address is free and the API forgets it. */
  private end(pod: Running): void {
    const object = this.context.store.get('Pod', pod.name);
    this.forget(pod);
    if (object === undefined || uidOf(object) !== pod.uid) return;
    this.why = pod.exit;
    this.context.store.remove('Pod', pod.name);
    this.why = undefined;
  }

  private forget(pod: Running): void {
    pod.timer?.[Symbol.dispose]();
    pod.starting?.[Symbol.dispose]();
    this.pods.delete(pod.uid);
    this.nodes.get(pod.node)?.used.delete(pod.address);
  }

  /** Addresses of a node are handed out in turn, so that one just freed is not used again at once (CNI host-local). */
  private address(node: string): string {
    const plan = this.nodes.get(node);
    if (plan === undefined) throw new HarnessError(`node ${node} is not there`);
    for (let tries = 0; tries < 253; tries++) {
      plan.last = plan.last >= 254 ? 2 : plan.last + 1;
      const address = podAddress(plan.number, plan.last);
      if (plan.used.has(address)) continue;
      plan.used.add(address);
      return address;
    }
    throw new HarnessError(`node ${node} has no pod address left of its 253`);
  }

  private log(type: string, pod: V1Pod): void {
    const name = nameOf(pod);
    const view: View = {
      phase: isDeleting(pod) ? 'terminating' : pod.status?.phase === 'Running' ? 'running' : 'pending',
      ready: podCondition(pod, 'Ready')?.status === 'True',
      node: pod.spec?.nodeName ?? '',
    };
    const before = this.seen.get(name);
    if (type === 'deleted') this.seen.delete(name);
    else if (before?.phase === view.phase && before.ready === view.ready && before.node === view.node) return;
    else this.seen.set(name, view);
    this.context.record({
      type: 'pod',
      pod: name,
      version: labelsOf(pod).version ?? '',
      ...view,
      ...(type === 'deleted' ? { phase: 'gone' as const, ready: false } : {}),
      ...(this.why === undefined ? {} : { why: this.why }),
    });
  }

  /** Logs something the kubelet does that changes nothing the API shows. */
  private tell(pod: Running, why: string): void {
    const object = this.context.store.get('Pod', pod.name);
    this.context.record({
      type: 'pod',
      pod: pod.name,
      version: object === undefined ? '' : (labelsOf(object).version ?? ''),
      node: pod.node,
      phase: pod.state.deleting ? 'terminating' : 'running',
      ready: isReady(pod.state),
      why,
    });
  }

  private draw({ least, most }: { readonly least: Millis; readonly most: Millis }): Millis {
    return this.context.random.integer(least, most + 1);
  }

  private later(delay: Millis, act: () => void): void {
    const timer = this.context.clock.after(delay, () => {
      this.timers.delete(timer);
      act();
    });
    this.timers.add(timer);
  }
}

function transition(pod: V1Pod, type: string, holds: boolean, now: Millis): V1PodCondition {
  const status = holds ? 'True' : 'False';
  const before = podCondition(pod, type);
  return before?.status === status ? before : { type, status, lastTransitionTime: timestamp(now) };
}

/** The first container's environment with its fieldRefs resolved (k8s pkg/fieldpath). */
function environment(pod: V1Pod, address: string): Record<string, string> {
  const field = (path: string): string => {
    const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
    if (keyed) return pod.metadata?.[keyed[1] as 'labels' | 'annotations']?.[keyed[2] as string] ?? '';
    const fields: Readonly<Record<string, string | undefined>> = {
      'metadata.name': pod.metadata?.name,
      'metadata.namespace': pod.metadata?.namespace,
      'metadata.uid': pod.metadata?.uid,
      'spec.nodeName': pod.spec?.nodeName,
      'status.podIP': address,
    };
    return fields[path] ?? '';
  };
  return Object.fromEntries(
    (pod.spec?.containers[0]?.env ?? []).map(({ name, value = '', valueFrom }) => [
      name,
      valueFrom?.fieldRef ? field(valueFrom.fieldRef.fieldPath) : value,
    ]),
  );
}
