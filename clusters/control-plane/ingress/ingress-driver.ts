import type { KubernetesObject, V1ConfigMap, V1Pod, V1Secret } from '@kubernetes/client-node';
import type { Random } from '../../../harness/statistics/random.ts';
import { INGRESS_IMAGE } from '../../../harness/workload/workload.ts';
import { type Context, perform } from '../context.ts';
import { type BoundedFrequency, createBoundedFrequency, tryRun } from '../controllers/bounded-frequency.ts';
import type { PodProcess } from '../machine.ts';
import { nameOf, uidOf } from '../store/objects.ts';
import { type HTTPRoute, type IngressConfig, ingressConfig, nextConfig } from './ingress.ts';
import { type RunningProxy, runningIn } from './running-proxy.ts';

const WATCHED: ReadonlySet<string | undefined> = new Set([
  'Ingress',
  'HTTPRoute',
  'Service',
  'EndpointSlice',
  'Secret',
  'ConfigMap',
]);
/** From a change in the API to the controller's having seen it. */
const WATCH = { least: 5, most: 50 } as const;

interface Controller {
  readonly pod: string;
  readonly is: RunningProxy;
  readonly random: Random;
  runner: BoundedFrequency;
  /** The process that was configured last, and with what; a process that was started anew knows nothing. */
  process: PodProcess | undefined;
  running: IngressConfig | undefined;
  syncing: boolean;
  /** Asked for again while a sync was under way. */
  again: boolean;
  timer: Disposable | undefined;
}

/**
 * The ingress controllers: one in each pod of that image, each watching for itself (ing
 * internal/ingress/controller/controller.go syncIngress). A sync builds the model from the API's objects, reloads where
 * its running processes cannot be told of the change, and hands them the rest.
 */
export class IngressDriver implements Disposable {
  private readonly context: Context;
  private readonly processOf: (pod: string) => PodProcess | undefined;
  private readonly controllers = new Map<string, Controller>();

  /** `processOf`: a pod's process, once it runs. */
  constructor(context: Context, processOf: (pod: string) => PodProcess | undefined) {
    this.context = context;
    this.processOf = processOf;
    context.store.watch((type, object) => {
      if (object.kind === 'Pod') this.podChanged(type, object as V1Pod);
      else if (WATCHED.has(object.kind))
        for (const controller of this.controllers.values()) this.notice(controller);
    });
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.controllers.values()) timer?.[Symbol.dispose]();
    this.controllers.clear();
  }

  private podChanged(type: string, pod: V1Pod): void {
    if (pod.spec?.containers[0]?.image !== INGRESS_IMAGE) return;
    const known = this.controllers.get(uidOf(pod));
    if (type === 'deleted') {
      known?.timer?.[Symbol.dispose]();
      this.controllers.delete(uidOf(pod));
      return;
    }
    const { clock, random } = this.context;
    const is = known?.is ?? runningIn(pod);
    const controller = known ?? {
      pod: nameOf(pod),
      is,
      random: random.fork(`ingress/${nameOf(pod)}`),
      runner: createBoundedFrequency(is.proxy.sync.interval, 1, clock.now()),
      process: undefined,
      running: undefined,
      syncing: false,
      again: false,
      timer: undefined,
    };
    this.controllers.set(uidOf(pod), controller);
    const process = this.processOf(controller.pod);
    if (process === undefined || process === controller.process) return;
    controller.process = process;
    controller.running = undefined;
    this.notice(controller);
  }

  private notice(controller: Controller): void {
    const { least, most } = WATCH;
    this.later(controller, controller.random.integer(least, most + 1));
  }

  private later(controller: Controller, delay: number): void {
    if (controller.syncing) controller.again = true;
    if (controller.syncing || controller.timer !== undefined) return;
    controller.timer = this.context.clock.after(delay, () => {
      controller.timer = undefined;
      this.sync(controller);
    });
  }

  private sync(controller: Controller): void {
    const { process } = controller;
    if (process?.configure === undefined) return;
    const { runner, wait } = tryRun(controller.runner, this.context.clock.now());
    controller.runner = runner;
    if (wait !== undefined) {
      this.later(controller, wait);
      return;
    }
    const { running, is } = controller;
    const { config, reload } = nextConfig(is.proxy, running, this.config(is));
    if (running !== undefined && JSON.stringify(running) === JSON.stringify(config)) return;
    controller.syncing = true;
    perform(
      this.context,
      // A pod that ends in the meantime takes no configuration, and its successor gets one of its own.
      () =>
        (process.configure?.(config, reload) ?? Promise.resolve()).catch((error) => {
          if (this.processOf(controller.pod) === process) throw error;
        }),
      () => {
        controller.syncing = false;
        if (controller.process === process) controller.running = config;
        if (!controller.again) return;
        controller.again = false;
        this.later(controller, 0);
      },
    );
  }

  private config(is: RunningProxy): IngressConfig {
    const { store } = this.context;
    const objects = {
      ingresses: store.list('Ingress'),
      routes: store.list<string>('HTTPRoute') as (KubernetesObject & HTTPRoute)[],
      services: store.list('Service'),
      slices: store.list('EndpointSlice'),
      secrets: store.list<string>('Secret') as V1Secret[],
      configMaps: store.list<string>('ConfigMap') as V1ConfigMap[],
    };
    return ingressConfig(objects, is);
  }
}
