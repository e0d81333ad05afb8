import type { V1Pod } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { MESH_GATEWAY_IMAGE } from '../../../harness/workload/mesh-workload.ts';
import { type Context, perform } from '../context.ts';
import type { PodProcess } from '../machine.ts';
import { labelsOf, nameOf } from '../store/objects.ts';
import {
  DEBOUNCE,
  type DestinationRule,
  type IstioGateway,
  meshConfig,
  type VirtualService,
} from './mesh.ts';

const WATCHED: ReadonlySet<string | undefined> = new Set([
  'Gateway',
  'VirtualService',
  'DestinationRule',
  'Service',
  'EndpointSlice',
]);

/**
 * istiod: watches the mesh's objects and Services, waits for quiet, and pushes each gateway proxy what has changed
 * for it. Sidecars are told nothing here: no route of theirs leads anywhere but to the application beside them.
 */
export class MeshDriver implements Disposable {
  private readonly context: Context;
  private readonly processOf: (pod: string) => PodProcess | undefined;
  /** Gateway proxies by name: the process that was configured last, and with what; undefined: none yet. */
  private readonly proxies = new Map<string, { process: PodProcess; config: string } | undefined>();
  private timer: Disposable | undefined;
  private firstAt: Millis | undefined;

  /** `processOf`: a pod's process, once it runs. */
  constructor(context: Context, processOf: (pod: string) => PodProcess | undefined) {
    this.context = context;
    this.processOf = processOf;
    context.store.watch((type, object) => {
      if (isProxy(object as V1Pod)) this.podChanged(type, nameOf(object));
      else if (WATCHED.has(object.kind)) this.notice();
    });
  }

  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
  }

  private podChanged(type: string, name: string): void {
    if (type === 'deleted') {
      this.proxies.delete(name);
      return;
    }
    const known = this.proxies.get(name);
    if (known === undefined) this.proxies.set(name, undefined);
    // A process that was started anew knows nothing.
    if (known?.process !== this.processOf(name)) this.notice();
  }

  private notice(): void {
    if (this.proxies.size === 0) return;
    const { clock, store } = this.context;
    const now = clock.now();
    this.firstAt ??= now;
    this.timer?.[Symbol.dispose]();
    const wait = Math.min(DEBOUNCE.quiet, Math.max(0, this.firstAt + DEBOUNCE.most - now));
    this.timer = clock.after(wait, () => {
      this.firstAt = undefined;
      for (const name of this.proxies.keys()) {
        const pod = store.get('Pod', name);
        if (pod !== undefined) this.push(pod);
      }
    });
  }

  private push(pod: V1Pod): void {
    const name = nameOf(pod);
    const process = this.processOf(name);
    if (process?.configureProxy === undefined) return;
    const { store } = this.context;
    const objects = {
      gateways: store.list<string>('Gateway') as IstioGateway[],
      virtualServices: store.list<string>('VirtualService') as VirtualService[],
      destinationRules: store.list<string>('DestinationRule') as DestinationRule[],
      services: store.list('Service'),
      slices: store.list('EndpointSlice'),
      pods: store.list('Pod'),
    };
    const config = meshConfig(objects, labelsOf(pod));
    const text = JSON.stringify(config);
    const known = this.proxies.get(name);
    if (known?.process === process && known.config === text) return;
    this.proxies.set(name, { process, config: text });
    perform(
      this.context,
      () =>
        (process.configureProxy?.(config) ?? Promise.resolve()).catch((error: unknown) => {
          // A proxy that ends in the meantime takes no configuration.
          if (this.processOf(name) === process) throw error;
        }),
      () => {},
    );
  }
}

const isProxy = (object: V1Pod) =>
  object.kind === 'Pod' && object.spec?.containers[0]?.image === MESH_GATEWAY_IMAGE;
