import type { IntOrString, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { KubeError } from '../../../harness/errors.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { evict } from '../store/eviction.ts';
import { Store } from '../store/store.ts';
import { budgetStatus } from './disruption.ts';

const labels = { app: 'web' };
const pod = (name: string, ready = true, more: V1Pod['status'] = {}): V1Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { nodeName: 'node-1', containers: [{ name: 'web', image: 'web:1' }] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }], ...more },
});
const budget = (spec: V1PodDisruptionBudget['spec']): V1PodDisruptionBudget => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name: 'web', generation: 1 },
  spec: { selector: { matchLabels: labels }, ...spec },
});

describe('disruptions that are allowed', () => {
  it.each<[string, { minAvailable?: IntOrString; maxUnavailable?: IntOrString }, number, number, number]>([
    ['one of three', { maxUnavailable: 1 }, 3, 3, 1],
    ['none while one is missing', { maxUnavailable: 1 }, 3, 2, 0],
    ['none ever', { maxUnavailable: 0 }, 3, 3, 0],
    ['a percentage rounded up', { maxUnavailable: '30%' }, 4, 4, 2],
    ['more pods than are wanted are spare', { maxUnavailable: 1 }, 3, 5, 3],
    ['what is above the least', { minAvailable: 2 }, 3, 3, 1],
    ['a least percentage rounded up', { minAvailable: '50%' }, 3, 3, 1],
    ['none where all must be there', { minAvailable: '100%' }, 3, 3, 0],
    ['all where nothing is said', {}, 3, 3, 3],
  ])('%s', (_, spec, replicas, ready, allowed) => {
    const pods = Array.from({ length: ready }, (__, number) => pod(`web-${number}`));
    const status = budgetStatus(budget(spec), [...pods, pod('sick', false)], replicas, 0);
    expect(status).toMatchObject({ disruptionsAllowed: allowed, currentHealthy: ready });
  });

  it('count an evicted pod as gone until it is, or for two minutes', () => {
    const one = { ...budget({ maxUnavailable: 1 }), status: { disruptedPods: { 'web-0': new Date(0) } } };
    const pods = [pod('web-0'), pod('web-1')];
    const allowed = (now: number) =>
      budgetStatus(one as V1PodDisruptionBudget, pods, 2, now).disruptionsAllowed;
    expect([allowed(119_000), allowed(121_000)]).toEqual([0, 1]);
  });
});

describe('an eviction', () => {
  const reasonOf = (store: Store, name: string) => {
    try {
      evict(store, name, 0);
    } catch (error) {
      return error instanceof KubeError ? error.reason : String(error);
    }
    return store.get('Pod', name)?.metadata?.deletionTimestamp === undefined ? 'removed' : 'deleting';
  };
  function stored(pods: readonly V1Pod[], budgets: readonly V1PodDisruptionBudget[], replicas = pods.length) {
    const store = new Store(new Random(1));
    for (const each of pods) store.create(each, 0);
    for (const [number, each] of budgets.entries()) {
      const made = store.create({ ...each, metadata: { name: `budget-${number}` } }, 0);
      const status = budgetStatus(made, store.list('Pod'), replicas, 0);
      store.update('PodDisruptionBudget', `budget-${number}`, (current) => ({ ...current, status }));
    }
    return store;
  }

  it('takes one off what is allowed at once', () => {
    const store = stored([pod('a'), pod('b'), pod('c')], [budget({ maxUnavailable: 1 })]);
    expect([reasonOf(store, 'a'), reasonOf(store, 'b')]).toEqual(['deleting', 'TooManyRequests']);
  });

  it.each([
    ['is refused while the budget was never looked at', pod('a'), 'TooManyRequests'],
    ['of a pod that runs nowhere needs no budget', pod('a', false, { phase: 'Pending' }), 'deleting'],
    ['of a pod that has finished needs none either', pod('a', false, { phase: 'Failed' }), 'removed'],
  ])('%s', (_, one, outcome) => {
    const store = new Store(new Random(1));
    store.create(one, 0);
    store.create(budget({ maxUnavailable: 0 }), 0);
    expect(reasonOf(store, 'a')).toBe(outcome);
  });

  it('of a pod that is not ready needs none while the others suffice', () => {
    const spare = stored([pod('a', false), pod('b')], [budget({ maxUnavailable: 1 })]);
    expect(reasonOf(spare, 'a')).toBe('deleting');
    const missed = stored([pod('a', false), pod('b', false)], [budget({ maxUnavailable: 1 })]);
    expect(reasonOf(missed, 'a')).toBe('TooManyRequests');
  });

  it('is an error where two budgets select the pod', () => {
    const store = stored([pod('a')], [budget({ maxUnavailable: 1 }), budget({ minAvailable: 0 })]);
    expect(reasonOf(store, 'a')).toBe('InternalError');
  });
});
