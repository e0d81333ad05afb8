import type { KubernetesObject, V1Deployment, V1Pod, V1Service } from '@kubernetes/client-node';
import { beforeEach, describe, expect, it } from 'vitest';
import { KubeError } from '../../../harness/errors.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { Store } from './store.ts';

let store: Store;
beforeEach(() => {
  store = new Store(new Random(1));
});

const labels = { app: 'web' };
const container = { name: 'web', image: 'web:1' };
const deployment = (spec: object = {}): V1Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels },
  spec: {
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [container] } },
    ...spec,
  },
});
const pod = (spec: object = {}, name = 'web-1'): V1Pod => ({
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [container], ...spec },
});
const service = (spec: object = {}): V1Service => ({
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: labels, ports: [{ port: 80 }], ...spec },
});
const reason = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return error instanceof KubeError ? error.reason : String(error);
  }
  return undefined;
};

describe('creating and applying', () => {
  it('fills in what the API fills in', () => {
    const created = store.create(deployment(), 61_500);
    expect(created.metadata).toMatchObject({
      name: 'web',
      namespace: 'default',
      generation: 1,
      creationTimestamp: new Date(61_000),
    });
    expect(created.metadata?.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(created.spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: { spec: { terminationGracePeriodSeconds: 30, restartPolicy: 'Always' } },
    });
    expect(reason(() => store.create(deployment(), 0))).toBe('AlreadyExists');
  });

  it('completes generateName with five characters', () => {
    const { metadata } = store.create<V1Pod>({ ...pod(), metadata: { generateName: 'web-' } }, 0);
    expect(metadata?.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('applying again keeps what others set, takes away what is no longer applied, and counts generations', () => {
    store.apply(deployment({ replicas: 3, paused: true }), 0);
    store.patch('Deployment', 'web', { spec: { minReadySeconds: 5 } });
    const applied = store.apply(deployment({ replicas: 4 }), 0);
    expect(applied.spec).toMatchObject({ replicas: 4, minReadySeconds: 5 });
    expect(applied.spec).not.toHaveProperty('paused');
    expect(applied.metadata?.generation).toBe(3);
  });

  it('a change that changes nothing makes no new version and tells nobody', () => {
    const before = store.apply(deployment(), 0);
    let told = 0;
    store.watch(() => told++);
    expect(store.apply(deployment(), 0)).toBe(before);
    expect(told).toBe(0);
  });

  it('status is the controllers’ alone, and moves no generation', () => {
    store.create(deployment(), 0);
    const patched = store.patch('Deployment', 'web', { status: { replicas: 7 }, spec: { replicas: 2 } });
    expect(patched.status).toBeUndefined();
    const updated = store.update('Deployment', 'web', (one) => ({ ...one, status: { replicas: 2 } }));
    expect(updated.status).toEqual({ replicas: 2 });
    expect(updated.metadata?.generation).toBe(2);
  });

  it('what it returns cannot be changed behind its back, and what it was given may be', () => {
    const given = deployment();
    const created = store.create(given, 0);
    expect(() => {
      (created.spec as { replicas: number }).replicas = 9;
    }).toThrow(TypeError);
    (given.metadata as { name: string }).name = 'other';
    expect(store.get('Deployment', 'web')?.metadata?.name).toBe('web');
  });
});

describe('refusals', () => {
  it('a stale resourceVersion is a conflict, the present one is not', () => {
    const { metadata } = store.create(deployment(), 0);
    const resourceVersion = metadata?.resourceVersion as string;
    store.patch('Deployment', 'web', { metadata: { resourceVersion }, spec: { replicas: 2 } });
    const stale = { metadata: { resourceVersion }, spec: { replicas: 3 } };
    expect(reason(() => store.patch('Deployment', 'web', stale))).toBe('Conflict');
  });

  it('what is not there is not found', () => {
    expect(reason(() => store.patch('Deployment', 'web', {}))).toBe('NotFound');
    expect(reason(() => store.delete('Pod', 'web', 0))).toBe('NotFound');
  });

  it('all mistakes are told at once', () => {
    const bad = deployment({ replicas: -1, minReadySeconds: -2, template: { spec: { containers: [] } } });
    expect(() => store.create(bad, 0)).toThrow(
      /spec.replicas[\s\S]*template.metadata.labels[\s\S]*containers[\s\S]*minReadySeconds/,
    );
    const none = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } };
    expect(reason(() => store.create(deployment({ strategy: none }), 0))).toBe('Invalid');
    const over = { type: 'RollingUpdate', rollingUpdate: { maxSurge: '150%', maxUnavailable: '101%' } };
    expect(() => store.create(deployment({ strategy: over }), 0)).toThrow(
      /invalid:\nspec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%$/,
    );
    expect(() =>
      store.create(
        service({ ports: [{ port: 0 }], externalTrafficPolicy: 'local', type: 'LoadBalancer' }),
        0,
      ),
    ).toThrow(/externalTrafficPolicy[\s\S]*ports\[0\].port/);
  });

  it('a selector cannot be changed', () => {
    store.create(deployment(), 0);
    const changed = { app: 'web', v: '2' };
    const patch = {
      spec: { selector: { matchLabels: changed }, template: { metadata: { labels: changed } } },
    };
    expect(reason(() => store.patch('Deployment', 'web', patch))).toBe('Invalid');
  });
});

describe('deletion', () => {
  it('a running pod is marked with its own or the given grace period, which later can only be shortened', () => {
    store.create(pod({ nodeName: 'node-1' }), 0);
    store.delete('Pod', 'web-1', 10_000);
    const marked = () => store.get('Pod', 'web-1')?.metadata;
    expect(marked()).toMatchObject({ deletionGracePeriodSeconds: 30, deletionTimestamp: new Date(40_000) });
    store.delete('Pod', 'web-1', 12_000, 60);
    expect(marked()?.deletionGracePeriodSeconds).toBe(30);
    store.delete('Pod', 'web-1', 12_000, 5);
    expect(marked()).toMatchObject({ deletionGracePeriodSeconds: 5, deletionTimestamp: new Date(15_000) });
    store.delete('Pod', 'web-1', 12_000, 0);
    expect(marked()).toBeUndefined();
  });

  it('a pod without a node, or one that has finished, is gone at once', () => {
    store.create(pod(), 0);
    store.delete('Pod', 'web-1', 0);
    expect(store.get('Pod', 'web-1')).toBeUndefined();
  });
});

it('lists by labels, in the order of names', () => {
  for (const name of ['c', 'a', 'b'])
    store.create({ ...pod(), metadata: { name, labels: { half: name < 'c' ? 'x' : 'y' } } }, 0);
  expect(store.list('Pod').map(({ metadata }) => metadata?.name)).toEqual(['a', 'b', 'c']);
  expect(store.list('Pod', { half: 'x' })).toHaveLength(2);
});

it('watchers are told right away what was and what is', () => {
  const seen: string[] = [];
  const watch = store.watch((type, object, old) => {
    const size = (one: KubernetesObject | undefined) => (one as V1Deployment | undefined)?.spec?.replicas;
    seen.push(`${type} ${size(old)} -> ${size(object)}`);
  });
  store.create(deployment(), 0);
  store.patch('Deployment', 'web', { spec: { replicas: 4 } });
  store.delete('Deployment', 'web', 0);
  watch[Symbol.dispose]();
  store.create(deployment(), 0);
  expect(seen).toEqual(['added undefined -> 1', 'modified 1 -> 4', 'deleted 4 -> 4']);
});

describe('Services', () => {
  it('get addresses and ports as their type and policy ask for, and keep them', () => {
    const created = store.create(service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }), 0);
    expect(created.spec).toMatchObject({ clusterIP: '10.96.100.1', sessionAffinity: 'None' });
    expect(created.spec?.ports?.[0]).toMatchObject({ port: 80, targetPort: 80, protocol: 'TCP' });
    const nodePort = created.spec?.ports?.[0]?.nodePort as number;
    const healthPort = created.spec?.healthCheckNodePort as number;
    for (const port of [nodePort, healthPort]) {
      expect(port).toBeGreaterThanOrEqual(30_000);
      expect(port).toBeLessThanOrEqual(32_767);
    }
    expect(nodePort).not.toBe(healthPort);
    const patched = store.patch('Service', 'web', {
      spec: { selector: { app: 'other' }, ports: [{ port: 80, targetPort: 9 }] },
    });
    expect(patched.spec?.ports?.[0]?.nodePort).toBe(nodePort);
    expect(patched.spec?.healthCheckNodePort).toBe(healthPort);
  });

  it('lose what their new type or policy does not have', () => {
    store.create(service({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }), 0);
    const cluster = store.patch('Service', 'web', { spec: { externalTrafficPolicy: 'Cluster' } });
    expect(cluster.spec).not.toHaveProperty('healthCheckNodePort');
    const internal = store.patch('Service', 'web', { spec: { type: 'ClusterIP' } });
    expect(internal.spec).not.toHaveProperty('externalTrafficPolicy');
    expect(internal.spec?.ports?.[0]).not.toHaveProperty('nodePort');
  });

  it('with affinity remember a client for three hours', () => {
    const created = store.create(service({ sessionAffinity: 'ClientIP' }), 0);
    expect(created.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds).toBe(10_800);
  });

  it('get addresses of their own', () => {
    store.create(service(), 0);
    const second = store.create({ ...service(), metadata: { name: 'two' } }, 0);
    expect(second.spec?.clusterIP).toBe('10.96.100.2');
  });
});
