import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject, V1ObjectMeta, V1Pod, V1Service } from '@kubernetes/client-node';
import { API_VERSIONS, type Labels, type ObjectOf } from '../../../harness/contracts/kube.ts';
import { KubeError } from '../../../harness/errors.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { withDefaults } from './defaults.ts';
import { applyPatch, mergePatch } from './merge-patch.ts';
import { hasLabels, labelsOf, nameOf, timestamp } from './objects.ts';
import { isPodFinished } from './pods.ts';
import { admitService } from './service-admission.ts';
import { mistakesIn } from './validation.ts';

/** Told of every change right after it was made; objects are frozen, and `old` is what was there before. */
export type Watcher = (
  type: 'added' | 'modified' | 'deleted',
  object: KubernetesObject,
  old: KubernetesObject | undefined,
) => void;

type Spec = { spec?: unknown; status?: unknown };
/** What every stored object has. */
type Metadata = Required<
  Pick<V1ObjectMeta, 'name' | 'uid' | 'creationTimestamp' | 'generation' | 'resourceVersion'>
>;

/** The alphabet of generated names: no vowels, no look-alikes (k8s apimachinery pkg/util/rand). */
export const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * The API server: objects of one namespace by kind and name, with defaulting, admission, validation, optimistic
 * concurrency and watch. What it returns is frozen and shared; whoever wants to change it clones it.
 */
export class Store {
  private readonly kinds = new Map<string, Map<string, KubernetesObject>>();
  /** Names in order, by kind; thrown away when one comes or goes. */
  private readonly ordered = new Map<string, readonly string[]>();
  private readonly applied = new Map<string, unknown>();
  private readonly watchers = new Set<Watcher>();
  private readonly random: Random;
  private version = 0;

  constructor(random: Random) {
    this.random = random;
  }

  get<K extends string>(kind: K, name: string): ObjectOf<K> | undefined {
    return this.kinds.get(kind)?.get(name) as ObjectOf<K> | undefined;
  }

  /** All of a kind whose labels match, ordered by name. */
  list<K extends string>(kind: K, labels: Labels = {}): ObjectOf<K>[] {
    const objects = this.kinds.get(kind);
    if (objects === undefined) return [];
    let names = this.ordered.get(kind);
    if (names === undefined) {
      names = [...objects.keys()].sort();
      this.ordered.set(kind, names);
    }
    const found: ObjectOf<K>[] = [];
    for (const name of names) {
      const object = objects.get(name) as KubernetesObject;
      if (hasLabels(labelsOf(object), labels)) found.push(object as ObjectOf<K>);
    }
    return found;
  }

  /** Creates; `metadata.generateName` is completed with five characters. @throws KubeError AlreadyExists, Invalid. */
  create<T extends KubernetesObject>(object: T, now: Millis): T {
    const kind = kindOf(object);
    const given = structuredClone(object);
    const metadata = given.metadata ?? {};
    const name = metadata.name ?? `${metadata.generateName ?? ''}${this.suffix()}`;
    if (this.get(kind, name) !== undefined)
      throw new KubeError('AlreadyExists', `${kind} "${name}" already exists`);
    given.apiVersion ??= API_VERSIONS[kind] ?? 'v1';
    given.metadata = { ...metadata, name, namespace: 'default' };
    const admitted = this.admit(given, undefined);
    admitted.metadata = {
      ...admitted.metadata,
      uid: this.uid(),
      creationTimestamp: timestamp(now),
      generation: 1,
      resourceVersion: String(++this.version),
    };
    return this.put(admitted, undefined);
  }

  /** Creates or updates, as `kubectl apply --server-side --force-conflicts`. @throws KubeError Invalid, Conflict. */
  apply<T extends KubernetesObject>(object: T, now: Millis): T {
    const kind = kindOf(object);
    const name = nameOf(object);
    const key = `${kind}/${name}`;
    const { status: _status, ...configuration } = structuredClone(object) as T & Spec;
    const existing = this.get(kind, name);
    const result =
      existing === undefined
        ? this.create(configuration as unknown as T, now)
        : this.merge(existing, applyPatch(this.applied.get(key), configuration));
    this.applied.set(key, configuration);
    return result as T;
  }

  /** RFC 7386; a patch of the status is ignored, as the API does. @throws KubeError NotFound, Conflict, Invalid. */
  patch<K extends string>(kind: K, name: string, patch: object): ObjectOf<K> {
    const { status: _status, ...rest } = structuredClone(patch) as Spec;
    return this.merge(this.existing(kind, name), rest) as ObjectOf<K>;
  }

  /** A controller's update: `change` is given the current object and returns a new one, status included, that is the store's from then on. */
  update<K extends string>(kind: K, name: string, change: (object: ObjectOf<K>) => ObjectOf<K>): ObjectOf<K> {
    const existing = this.existing(kind, name);
    return this.replace(existing, change(existing as ObjectOf<K>)) as ObjectOf<K>;
  }

  /**
   * Deletes. A pod that runs on a node is only marked, and removed by its kubelet (`remove`); `gracePeriod` in
   * seconds, 0 removes it at once, default its own terminationGracePeriodSeconds. @throws KubeError NotFound.
   */
  delete(kind: string, name: string, now: Millis, gracePeriod?: number): void {
    const existing = this.existing(kind, name);
    if (kind !== 'Pod') {
      this.remove(kind, name);
      return;
    }
    const pod = existing as V1Pod;
    const grace =
      pod.spec?.nodeName === undefined || isPodFinished(pod)
        ? 0
        : (gracePeriod ?? pod.spec.terminationGracePeriodSeconds ?? 30);
    const left = pod.metadata?.deletionGracePeriodSeconds;
    if (grace === 0) {
      this.remove(kind, name);
      return;
    }
    // A second deletion can only shorten the first (k8s apiserver pkg/registry/rest/delete.go BeforeDelete).
    if (left !== undefined && left <= grace) return;
    const start = pod.metadata?.deletionTimestamp?.getTime() ?? now + (left ?? 0) * 1000;
    const deletionTimestamp = timestamp(
      left === undefined ? now + grace * 1000 : start - (left - grace) * 1000,
    );
    this.replace(existing, {
      ...existing,
      metadata: { ...existing.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace },
    });
  }

  /** Takes the object out, whatever its grace period. @throws KubeError NotFound. */
  remove(kind: string, name: string): void {
    const existing = this.existing(kind, name);
    this.kinds.get(kind)?.delete(name);
    this.ordered.delete(kind);
    this.applied.delete(`${kind}/${name}`);
    this.version++;
    for (const watcher of this.watchers) watcher('deleted', existing, existing);
  }

  watch(watcher: Watcher): Disposable {
    this.watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.watchers.delete(watcher) };
  }

  private existing(kind: string, name: string): KubernetesObject {
    const existing = this.get(kind, name);
    if (existing === undefined) throw new KubeError('NotFound', `${kind} "${name}" not found`);
    return existing;
  }

  private merge(existing: KubernetesObject, patch: unknown): KubernetesObject {
    const merged = mergePatch(existing, patch);
    const wanted = merged.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== existing.metadata?.resourceVersion)
      throw new KubeError(
        'Conflict',
        `${existing.kind} "${nameOf(existing)}" cannot be changed: it has resourceVersion ${existing.metadata?.resourceVersion}, the change is for ${wanted}; read it again and apply the change to that`,
      );
    return this.replace(existing, structuredClone(merged));
  }

  private replace(existing: KubernetesObject, given: KubernetesObject): KubernetesObject {
    // What the API server owns cannot be changed by anybody.
    const { name, uid, creationTimestamp, generation, resourceVersion } = existing.metadata as Metadata;
    const metadata = { ...given.metadata, name, uid, creationTimestamp, generation, resourceVersion };
    const changed: KubernetesObject = { ...given, kind: existing.kind as string, metadata };
    const specChanged = !isDeepStrictEqual((changed as Spec).spec, (existing as Spec).spec);
    const labelsChanged = !isDeepStrictEqual(metadata.labels, existing.metadata?.labels);
    const admitted = specChanged || labelsChanged ? this.admit(changed, existing) : changed;
    if (isDeepStrictEqual(admitted, existing)) return existing;
    const moved = specChanged && !isDeepStrictEqual((admitted as Spec).spec, (existing as Spec).spec);
    admitted.metadata = {
      ...metadata,
      generation: generation + (moved ? 1 : 0),
      resourceVersion: String(++this.version),
    };
    return this.put(admitted, existing);
  }

  private admit<T extends KubernetesObject>(object: T, old: T | undefined): T {
    let admitted = withDefaults(object);
    const mistakes = mistakesIn(admitted, old);
    if (mistakes.length > 0)
      throw new KubeError(
        'Invalid',
        `${object.kind} "${nameOf(object)}" is invalid:\n${mistakes.join('\n')}`,
      );
    if (admitted.kind === 'Service')
      admitted = admitService(admitted as V1Service, old as V1Service | undefined, {
        services: this.list('Service'),
        random: this.random,
      }) as T;
    return admitted;
  }

  private put<T extends KubernetesObject>(object: T, old: T | undefined): T {
    const kind = kindOf(object);
    const stored = deepFreeze(object);
    let objects = this.kinds.get(kind);
    if (objects === undefined) {
      objects = new Map();
      this.kinds.set(kind, objects);
    }
    if (old === undefined) this.ordered.delete(kind);
    objects.set(nameOf(stored), stored);
    for (const watcher of this.watchers) watcher(old === undefined ? 'added' : 'modified', stored, old);
    return stored;
  }

  private suffix(): string {
    let text = '';
    for (let length = 0; length < 5; length++)
      text += NAME_ALPHABET[this.random.integer(0, NAME_ALPHABET.length)];
    return text;
  }

  /** Random, so that ties broken by uid favour nobody. */
  private uid(): string {
    const hex = (digits: number) => this.random.uint32().toString(16).padStart(8, '0').slice(0, digits);
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(8)}${hex(4)}`;
  }
}

function kindOf(object: KubernetesObject): string {
  if (!object.kind) throw new KubeError('Invalid', 'kind: Required value: an object needs its kind');
  return object.kind;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
