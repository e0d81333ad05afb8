import type { KubernetesObject } from '@kubernetes/client-node';
import type { Kube, Labels, ObjectOf, Patch } from '../../../harness/contracts/kube.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { evict } from './eviction.ts';
import { nameOf } from './objects.ts';
import type { Store } from './store.ts';

/** What happens to Nodes is more than an object's coming and going. */
export interface NodeVerbs {
  /** A Node was applied that is not there yet. */
  add(name: string): Promise<void>;
  /** A Node was deleted through the API. */
  remove(name: string): Promise<void>;
}

/** The verbs of a strategy on the embedded store; what they return is the caller's to change. */
export function storeKube(store: Store, clock: Clock, nodes: NodeVerbs, check: () => void): Kube {
  const seconds = (time: Millis | undefined) => (time === undefined ? undefined : Math.ceil(time / 1000));
  const copy = <T>(object: T): T => structuredClone(object);
  return {
    async apply<T extends KubernetesObject>(object: T) {
      check();
      if (object.kind === 'Node' && store.get('Node', nameOf(object)) === undefined)
        await nodes.add(nameOf(object));
      return copy(store.apply(object, clock.now()));
    },
    async patch<K extends string>(kind: K, name: string, patch: Patch<ObjectOf<K>>) {
      check();
      return copy(store.patch(kind, name, patch as object));
    },
    async delete(kind, name, options) {
      check();
      if (store.get(kind, name) === undefined) return;
      if (kind === 'Node') await nodes.remove(name);
      else store.delete(kind, name, clock.now(), seconds(options?.gracePeriod));
    },
    async evict(pod, options) {
      check();
      if (store.get('Pod', pod) !== undefined) evict(store, pod, clock.now(), seconds(options?.gracePeriod));
    },
    async get(kind, name) {
      check();
      return copy(store.get(kind, name));
    },
    async list<K extends string>(kind: K, labels?: Labels) {
      check();
      return copy(store.list(kind, labels));
    },
  };
}
