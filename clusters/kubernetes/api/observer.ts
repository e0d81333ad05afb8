import type { KubernetesObject, V1EndpointSlice, V1Node, V1Pod } from '@kubernetes/client-node';
import type { Event, TimedEvent } from '../../../harness/contracts/event.ts';
import type { Kind, ObjectOf } from '../../../harness/contracts/kube.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { KubeClient } from './kube-client.ts';
import type { View } from './views.ts';
import {
  autoscalerView,
  endpointsView,
  isReady,
  podGone,
  podView,
  replicasView,
  serviceView,
} from './views.ts';

interface Listener<K extends Kind> {
  changed?(object: ObjectOf<K>, before: ObjectOf<K> | undefined): void;
  gone?(object: ObjectOf<K>): void;
}

/** What of a namespace is looked at where not all of it is the run's own. */
export interface Look {
  /** Kinds that may be read; all by default. */
  readonly reads?: ReadonlySet<Kind>;
  /** Whether the log has anything to say of it; it is known in any case. */
  concerns?(object: KubernetesObject): boolean;
  /** The version of a pod; its label `version` by default. */
  versionOf?(pod: V1Pod): string;
}

/** Watches the run's namespace and the nodes, knows what is there now, and records each change the log has a word for. */
export class Observer implements AsyncDisposable {
  private readonly watches = new AsyncDisposableStack();
  private readonly look: Look;
  private readonly client: KubeClient;
  private readonly clock: Clock;
  private readonly record: (event: Event) => void;
  private readonly objects = new Map<Kind, Map<string, KubernetesObject>>();
  private readonly listeners = new Map<Kind, Listener<Kind>[]>();
  /** What was last recorded of each object, so that a change of nothing worth telling is not told. */
  private readonly told = new Map<string, string>();

  constructor(client: KubeClient, clock: Clock, record: (event: Event) => void, look: Look = {}) {
    this.look = look;
    this.client = client;
    this.clock = clock;
    this.record = record;
    const { versionOf } = look;
    this.tellAll(
      'Pod',
      (pod) => podView(pod, versionOf?.(pod)),
      (pod) => podGone(pod, versionOf?.(pod)),
    );
    this.tellAll('Deployment', replicasView);
    this.tellAll('Service', serviceView);
    if (client.serves('HorizontalPodAutoscaler')) this.tellAll('HorizontalPodAutoscaler', autoscalerView);
    const slices = (slice: V1EndpointSlice) => {
      if (this.concerns(slice)) this.tellEndpoints(serviceOf(slice));
    };
    this.on('EndpointSlice', { changed: slices, gone: slices });
    this.on('Node', {
      changed: (node, before) => this.tellNode(node, before),
      gone: (node) => this.tellNodeSet(node, 'removed'),
    });
  }

  /** What exists of a kind as far as the watch has told. */
  all<K extends Kind>(kind: K): ObjectOf<K>[] {
    return [...(this.objects.get(kind)?.values() ?? [])] as ObjectOf<K>[];
  }

  /** Is told of every object of a kind that exists, and then of each change. */
  on<K extends Kind>(kind: K, listener: Listener<K>): void {
    const others = this.listeners.get(kind);
    if (others === undefined) {
      this.listeners.set(kind, [listener as Listener<Kind>]);
      this.watch(kind);
    } else {
      others.push(listener as Listener<Kind>);
      for (const object of this.all(kind)) listener.changed?.(object, undefined);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.watches.disposeAsync();
  }

  private watch(kind: Kind): void {
    const objects = new Map<string, KubernetesObject>();
    this.objects.set(kind, objects);
    if (this.look.reads?.has(kind) === false) return;
    const watch = this.client.watch(kind, {
      changed: (object) => {
        const name = object.metadata?.name ?? '';
        const before = objects.get(name);
        objects.set(name, object);
        for (const one of this.listeners.get(kind) ?? [])
          one.changed?.(object, before as ObjectOf<typeof kind>);
      },
      gone: (object) => {
        objects.delete(object.metadata?.name ?? '');
        for (const one of this.listeners.get(kind) ?? []) one.gone?.(object);
      },
      broke: (why) => this.note(`watching ${kind}s was interrupted and goes on: ${why}`),
    });
    this.watches.use(watch);
  }

  /** Tells each change of a kind in these words. */
  tellAll<K extends Kind>(
    kind: K,
    changed: (object: ObjectOf<K>) => View,
    gone?: (object: ObjectOf<K>) => View,
  ): void {
    const key = (object: ObjectOf<K>) => `${kind}/${object.metadata?.name}`;
    this.on(kind, {
      changed: (object) => {
        if (this.concerns(object)) this.tell(key(object), changed(object));
      },
      gone: (object) => {
        if (gone && this.concerns(object)) this.tell(key(object), gone(object));
        this.told.delete(key(object));
      },
    });
  }

  private concerns(object: KubernetesObject): boolean {
    return this.look.concerns?.(object) ?? true;
  }

  private tellEndpoints(service: string): void {
    const slices = this.all('EndpointSlice').filter((slice) => serviceOf(slice) === service);
    this.tell(`endpoints of ${service}`, endpointsView(service, slices));
  }

  private tellNode(node: V1Node, before: V1Node | undefined): void {
    if (before === undefined) this.tellNodeSet(node, 'added');
    else if (isReady(node) !== isReady(before)) this.tellReadiness(node.metadata?.name ?? '', isReady(node));
  }

  private tellReadiness(name: string, ready: boolean): void {
    const text = `node ${name} is ${ready ? 'ready again' : 'no longer ready'}`;
    this.seen({ type: 'note', text, node: { name, ready } });
  }

  private tellNodeSet(node: V1Node, change: 'added' | 'removed'): void {
    const name = node.metadata?.name ?? '';
    this.tell(`Node/${name}`, { event: { type: 'node', node: name, change } });
  }

  private tell(key: string, { event, apiTime }: View): void {
    const text = JSON.stringify(event);
    if (this.told.get(key) === text) return;
    this.told.set(key, text);
    this.record({ at: this.clock.now(), ...event, ...(apiTime === undefined ? {} : { apiTime }) });
  }

  /** Records something that has no event of its own. */
  note(text: string): void {
    this.seen({ type: 'note', text });
  }

  /** Records what its caller has seen, or done, now. */
  seen(event: TimedEvent): void {
    this.record({ at: this.clock.now(), ...event });
  }
}

const serviceOf = ({ metadata }: V1EndpointSlice) => metadata?.labels?.['kubernetes.io/service-name'] ?? '';
