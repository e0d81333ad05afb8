import type {
  Configuration,
  KubeConfig,
  KubernetesListObject,
  KubernetesObject,
} from '@kubernetes/client-node';
import {
  createConfiguration,
  KubernetesObjectApi,
  ListWatch,
  PatchStrategy,
  ServerConfiguration,
  Watch,
} from '@kubernetes/client-node';
import type { Kube, Labels, ObjectOf, Patch } from '../../../harness/contracts/kube.ts';
import { KubeError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { ApiConnection } from './api-connection.ts';
import type { GroupList, ServedGroups } from './api-versions.ts';
import { normalise, servedGroups, servedVersion } from './api-versions.ts';

/** Who the API server says wrote a field; one name for all that onedrop applies and patches. */
const FIELD_MANAGER = 'onedrop';

/** How soon a watch that ended with an error is begun again. */
const REWATCH_AFTER: Millis = 1000;

/** What a watch tells. */
export interface WatchHandlers<T> {
  /** The object is new or has changed; all that exist are told first. */
  changed(object: T): void;
  /** The object as it was last. */
  gone(object: T): void;
  /** The watch broke; it goes on from where it was, or from a fresh list, by itself. */
  broke(why: string): void;
}

/** One namespace of a real cluster behind the verbs of harness/contracts/kube.ts. */
export class KubeClient implements Kube {
  readonly namespace: string;
  readonly connection: ApiConnection;
  private readonly clock: Clock;
  private readonly groups: ServedGroups;
  private readonly objects: ObjectApi;
  private readonly dress: Dress;

  private constructor(options: {
    connection: ApiConnection;
    clock: Clock;
    groups: ServedGroups;
    namespace: string;
    dress: Dress;
  }) {
    this.connection = options.connection;
    this.clock = options.clock;
    this.groups = options.groups;
    this.namespace = options.namespace;
    this.dress = options.dress;
    const configuration = createConfiguration({
      baseServer: new ServerConfiguration(options.connection.server, {}),
      authMethods: { default: options.connection },
    });
    this.objects = new ObjectApi(configuration, options.namespace);
  }

  /**
   * Asks the server which API versions it serves. `dress` is what every object goes through before it is applied,
   * for instance to name the image that this cluster has.
   * @throws KubeError when the server cannot be reached or refuses.
   */
  static async connect(options: {
    config: KubeConfig;
    clock: Clock;
    namespace: string;
    dress?: Dress;
    /** Ends every verb with InterruptedError once it is aborted. */
    signal?: AbortSignal;
  }): Promise<KubeClient> {
    const connection = new ApiConnection(options.config, options.clock, options.signal);
    const groups = servedGroups(JSON.parse(await connection.request('GET', '/apis')) as GroupList);
    return new KubeClient({ dress: (object) => object, ...options, connection, groups });
  }

  /** Whether the server serves this kind at all: false where its CRD is not installed. */
  serves(kind: string): boolean {
    try {
      servedVersion(kind, this.groups);
      return true;
    } catch {
      return false;
    }
  }

  async apply<T extends KubernetesObject>(object: T): Promise<T> {
    const kind = object.kind ?? '';
    // An object that was read and changed names its managers, which an apply must not (HTTP 400).
    const { managedFields: _, ...metadata } = object.metadata ?? {};
    const apiVersion = servedVersion(kind, this.groups, object.apiVersion);
    const wanted = await this.dress({ ...object, apiVersion, metadata });
    // force: what a person or a controller wrote into the same fields gives way, as with kubectl's --force-conflicts.
    const applied = await this.connection.attempt(() =>
      this.objects.patch(wanted, undefined, undefined, FIELD_MANAGER, true, PatchStrategy.ServerSideApply),
    );
    return normalise(applied, kind);
  }

  async patch<K extends string>(kind: K, name: string, patch: Patch<ObjectOf<K>>): Promise<ObjectOf<K>> {
    const change = patch as KubernetesObject;
    const body = { ...change, ...this.header(kind, name), metadata: { ...change.metadata, name } };
    const patched = await this.connection.attempt(() =>
      this.objects.patch(body, undefined, undefined, FIELD_MANAGER, undefined, PatchStrategy.MergePatch),
    );
    return normalise(patched as ObjectOf<K>, kind);
  }

  async delete(kind: string, name: string, { gracePeriod }: { gracePeriod?: Millis } = {}): Promise<void> {
    const seconds = gracePeriod === undefined ? undefined : Math.ceil(gracePeriod / 1000);
    const remove = () => this.objects.delete(this.header(kind, name), undefined, undefined, seconds);
    await unlessMissing(this.connection.attempt(remove));
  }

  async evict(pod: string, { gracePeriod }: { gracePeriod?: Millis } = {}): Promise<void> {
    const gracePeriodSeconds = gracePeriod === undefined ? undefined : Math.ceil(gracePeriod / 1000);
    const body = JSON.stringify({
      ...this.header('Eviction', pod),
      ...(gracePeriodSeconds === undefined ? {} : { deleteOptions: { gracePeriodSeconds } }),
    });
    const path = `/api/v1/namespaces/${this.namespace}/pods/${pod}/eviction`;
    // Once: 429 is a budget's answer here, and not a server that is too busy.
    await unlessMissing(this.connection.request('POST', path, { body, once: true }));
  }

  async get<K extends string>(kind: K, name: string): Promise<ObjectOf<K> | undefined> {
    const read = () => this.objects.read(this.header(kind, name));
    const found = await unlessMissing(this.connection.attempt(read));
    return found === undefined ? undefined : normalise(found as ObjectOf<K>, kind);
  }

  async list<K extends string>(kind: K, labels?: Labels): Promise<ObjectOf<K>[]> {
    const { items } = await this.connection.attempt(() => this.listAsServed(kind, labels));
    return items
      .map((item) => normalise(item, kind))
      .sort((left, right) => compare(left.metadata?.name ?? '', right.metadata?.name ?? ''));
  }

  /** JSON merge patch of an object's status, which only its subresource changes. */
  async patchStatus(kind: string, name: string, status: object): Promise<void> {
    const path = await this.objects.path(this.header(kind, name), 'patch');
    await this.connection.request('PATCH', `${path}/status`, {
      query: { fieldManager: FIELD_MANAGER },
      body: JSON.stringify({ status }),
      contentType: PatchStrategy.MergePatch,
    });
  }

  /** POST to a port of a pod through the API server's pod proxy; sent once, because it may not be repeatable. */
  async postToPod(pod: string, port: number, path: string): Promise<void> {
    const proxy = `/api/v1/namespaces/${this.namespace}/pods/${pod}:${port}/proxy`;
    await this.connection.request('POST', `${proxy}${path}`, { once: true });
  }

  /**
   * Tells all objects of a kind and then every change until it is disposed of. Resumes where it was when the
   * server or the network ends it, and lists afresh when the server no longer knows that point (410 Gone).
   */
  watch<K extends string>(kind: K, handlers: WatchHandlers<ObjectOf<K>>, labels?: Labels): AsyncDisposable {
    let ended = false;
    let timer: Disposable | undefined;
    let watching: ListWatch<ObjectOf<K>> | undefined;
    const told = (tell: (object: ObjectOf<K>) => void) => (object: ObjectOf<K>) => {
      if (!ended) tell(normalise(object, kind));
    };
    const start = async () => {
      watching ??= await this.listWatch(kind, labels, (listWatch) => {
        listWatch.on('add', told(handlers.changed));
        listWatch.on('update', told(handlers.changed));
        listWatch.on('delete', told(handlers.gone));
        listWatch.on('error', again);
      });
      if (!ended) await watching.start();
    };
    const again = (why: unknown) => {
      if (ended) return;
      handlers.broke(asText(why));
      timer = this.clock.after(REWATCH_AFTER, () => start().catch(again));
    };
    start().catch(again);
    return {
      [Symbol.asyncDispose]: async () => {
        ended = true;
        timer?.[Symbol.dispose]();
        await watching?.stop();
      },
    };
  }

  private async listWatch<K extends string>(
    kind: K,
    labels: Labels | undefined,
    listen: (listWatch: ListWatch<ObjectOf<K>>) => void,
  ): Promise<ListWatch<ObjectOf<K>>> {
    const path = await this.objects.path(this.header(kind, ''), 'list');
    const list = () => this.listAsServed(kind, labels);
    const watch = new Watch(this.connection.config);
    const listWatch = new ListWatch(path, watch, list, false, labels && selector(labels));
    listen(listWatch);
    return listWatch;
  }

  private async listAsServed<K extends string>(
    kind: K,
    labels?: Labels,
  ): Promise<KubernetesListObject<ObjectOf<K>>> {
    const apiVersion = servedVersion(kind, this.groups);
    const [exact, exported, fields, limit] = [undefined, undefined, undefined, undefined];
    const list = await this.objects.list(
      apiVersion,
      kind,
      this.namespace,
      undefined,
      exact,
      exported,
      fields,
      labels && selector(labels),
      limit,
    );
    // Items carry neither; without the version nobody could tell a v1beta1 slice from a v1 one.
    for (const item of list.items) Object.assign(item, { apiVersion, kind });
    return list as KubernetesListObject<ObjectOf<K>>;
  }

  private header(kind: string, name: string) {
    return { apiVersion: servedVersion(kind, this.groups), kind, metadata: { name } };
  }
}

/** Changes an object on its way to the API server; returns a new one. */
export type Dress = <T extends KubernetesObject>(object: T) => T | Promise<T>;

/** The library's generic object API for one namespace; cluster-wide kinds ignore it. */
class ObjectApi extends KubernetesObjectApi {
  constructor(configuration: Configuration, namespace: string) {
    super(configuration);
    this.defaultNamespace = namespace;
  }

  path(spec: KubernetesObject, action: 'patch' | 'list'): Promise<string> {
    // The library leaves the namespace of a list to its caller.
    const metadata = { ...spec.metadata, namespace: this.defaultNamespace };
    return this.specUriPath({ ...spec, metadata }, action);
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

const selector = (labels: Labels) =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

const compare = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0);

const asText = (why: unknown) => (why instanceof Error ? why.message : String(why));
