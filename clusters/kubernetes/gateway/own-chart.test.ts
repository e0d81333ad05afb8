import type { KubernetesObject, V1Container, V1Deployment, V1PodSpec } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import { type Config, type ConfigInput, readConfig } from '../../../harness/contracts/config.ts';
import { UsageError } from '../../../harness/errors.ts';
import { workload } from '../../../harness/workload/workload.ts';
import { ownChart, ownImages } from './own-chart.ts';

const own = (gateway: Partial<ConfigInput['gateway']> = {}): Config =>
  readConfig(
    {
      gateway: { chart: { name: './chart' }, port: 9000, readyPath: '/ready', ...gateway },
      version: { header: 'x' },
    },
    'x',
  );

const CONTAINER: V1Container = {
  name: 'app',
  image: 'registry.example/chat:1',
  ports: [{ name: 'http', containerPort: 9000 }],
};

function deployment(pod: Partial<V1PodSpec> = {}, changes: Partial<V1Deployment['spec']> = {}): V1Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'chat' },
    spec: {
      selector: { matchLabels: { app: 'chat' } },
      template: {
        metadata: { labels: { app: 'chat', team: 'core' }, annotations: { 'checksum/config': '1' } },
        spec: { containers: [CONTAINER], ...pod },
      },
      ...changes,
    },
  };
}

const object = (kind: string, name: string, rest: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
  ...rest,
});

const both = (...objects: KubernetesObject[]) => ({ v1: objects, v2: objects });
const read = (rendered = both(deployment()), config = own()) => ownChart(rendered, config, 'cell');

/** The Deployment that a strategy applies. */
function played(rendered = both(deployment()), config = own(), axes: Parameters<typeof defaultAxes>[0] = {}) {
  const { gateway } = config;
  const { templates } = read(rendered, config);
  return workload(defaultAxes(axes), { gateway, runs: 'image', podTemplates: templates });
}

function mistakes(rendered: ReturnType<typeof both>, config = own()): readonly string[] {
  try {
    read(rendered, config);
  } catch (error) {
    if (error instanceof UsageError) return error.mistakes;
    throw error;
  }
  return [];
}

describe("a chart's pods are the gateway's", () => {
  test("name, labels, selector, size and strategy are the run's, and the chart's labels and annotations stay", () => {
    const { metadata, spec } = played(both(deployment({}, { replicas: 9 })), own(), {
      pods: 4,
      maxSurge: '1',
    }).deployment('v2', { name: 'gateway' });
    expect(metadata?.name).toBe('gateway');
    expect(spec).toMatchObject({
      replicas: 4,
      selector: { matchLabels: { app: 'gateway', release: 'gateway' } },
      strategy: { rollingUpdate: { maxSurge: 1 } },
    });
    expect(spec?.template.metadata).toEqual({
      labels: { app: 'gateway', release: 'gateway', version: 'v2', team: 'core' },
      annotations: { 'checksum/config': '1' },
    });
  });

  test('rules that spread the pods mean the labels that they have now', () => {
    const labelSelector = { matchLabels: { app: 'chat', team: 'core', tier: 'x' } };
    const spread = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector };
    const affinity = {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'node', labelSelector }],
      },
    };
    const { spec } = played(both(deployment({ topologySpreadConstraints: [spread], affinity }))).deployment(
      'v1',
    );
    const now = { matchLabels: { app: 'gateway', team: 'core', tier: 'x' } };
    expect(spec?.template.spec?.topologySpreadConstraints).toEqual([{ ...spread, labelSelector: now }]);
    expect(spec?.template.spec?.affinity).toEqual({
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'node', labelSelector: now }],
      },
    });
  });

  test('pods end as the axes say, whatever the chart says', () => {
    const hooks = { postStart: { exec: { command: ['warm'] } }, preStop: { exec: { command: ['wait'] } } };
    const chart = both(
      deployment({
        terminationGracePeriodSeconds: 600,
        containers: [{ ...CONTAINER, lifecycle: hooks }],
      }),
    );
    const spec = (axes: Parameters<typeof defaultAxes>[0]) =>
      played(chart, own(), axes).deployment('v1').spec?.template.spec;
    expect(spec({ grace: 45_000 })?.terminationGracePeriodSeconds).toBe(45);
    expect(spec({})?.containers[0]?.lifecycle).toEqual({ postStart: hooks.postStart });
    expect(spec({ preStop: 5000 })?.containers[0]?.lifecycle).toEqual({
      postStart: hooks.postStart,
      preStop: { exec: { command: ['sleep', '5'] } },
    });
    expect(read(chart).notes).toEqual([
      "in place of the chart's own: terminationGracePeriodSeconds (--grace), preStop (--pre-stop)",
    ]);
  });

  test('the port is found by its number, called ws, and probes that named it mean its number', () => {
    const probe = { httpGet: { path: '/alive', port: 'http' } };
    const { templates } = read(both(deployment({ containers: [{ ...CONTAINER, livenessProbe: probe }] })));
    expect(templates.v1.spec?.containers[0]).toMatchObject({
      ports: [{ name: 'ws', containerPort: 9000 }],
      livenessProbe: { httpGet: { path: '/alive', port: 9000 } },
      readinessProbe: { httpGet: { path: '/ready', port: 9000 } },
    });
  });

  test('a port named ws goes before its number, also in another container, and probes of the chart stay', () => {
    const probe = { httpGet: { path: '/own', port: 'ws' }, periodSeconds: 3 };
    const gateway = {
      name: 'gateway',
      image: 'g:1',
      ports: [{ name: 'ws', containerPort: 7000 }],
      readinessProbe: probe,
    };
    const { templates } = read(
      both(deployment({ containers: [CONTAINER, gateway] })),
      own({ livePath: '/live' }),
    );
    const [proxy, found] = templates.v1.spec?.containers ?? [];
    expect(proxy).toEqual(CONTAINER);
    expect(found).toMatchObject({
      readinessProbe: { httpGet: { path: '/own', port: 7000 }, periodSeconds: 3 },
      livenessProbe: { httpGet: { path: '/live', port: 7000 } },
    });
  });

  test("the configuration's image and env take the place of the chart's, and each version says who it is", () => {
    const container = {
      ...CONTAINER,
      env: [
        { name: 'LOG', value: 'debug' },
        { name: 'TOKEN', value: 'chart' },
      ],
    };
    const config = own({ image: { v1: 'g:1', v2: 'g:2' }, env: { TOKEN: 'config' } });
    const { templates } = read(both(deployment({ containers: [container] })), config);
    const [v2] = templates.v2.spec?.containers ?? [];
    expect(v2?.image).toBe('g:2');
    expect(v2?.env?.map(({ name, value }) => [name, value])).toEqual([
      ['LOG', 'debug'],
      ['TOKEN', 'config'],
      ['VERSION', 'v2'],
      ['POD_NAME', undefined],
      ['NODE_NAME', undefined],
    ]);
  });
});

describe('what comes with the pods', () => {
  test('is applied where they need it, left out where the run has its own, and told', () => {
    const needed = [
      object('ConfigMap', 'settings'),
      object('Secret', 'keys'),
      object('ServiceAccount', 'chat'),
    ];
    const chart = read(
      both(
        deployment({
          serviceAccountName: 'chat',
          containers: [{ ...CONTAINER, envFrom: [{ configMapRef: { name: 'settings' } }] }],
          volumes: [{ name: 'keys', secret: { secretName: 'keys' } }],
        }),
        ...needed,
        object('Service', 'chat'),
        object('PodDisruptionBudget', 'chat'),
        object('HorizontalPodAutoscaler', 'chat'),
        {
          ...object('Job', 'migrate'),
          metadata: { name: 'migrate', annotations: { 'helm.sh/hook': 'test' } },
        },
      ),
    );
    expect(chart.needs).toEqual(needed);
    expect(chart.notes).toEqual([
      'left out of the chart, because the run has its own: Service chat, PodDisruptionBudget chat, HorizontalPodAutoscaler chat, Job migrate',
    ]);
  });

  test('must be there for pods to start', () => {
    const pod: Partial<V1PodSpec> = {
      serviceAccountName: 'chat',
      containers: [
        {
          ...CONTAINER,
          env: [{ name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'k' } } }],
          envFrom: [{ configMapRef: { name: 'maybe', optional: true } }],
        },
      ],
      volumes: [
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
        { name: 'ca', configMap: { name: 'kube-root-ca.crt' } },
        { name: 'all', projected: { sources: [{ configMap: { name: 'settings' } }] } },
      ],
    };
    expect(mistakes(both(deployment(pod)))).toEqual([
      "gateway.chart: its pods need ServiceAccount chat, PersistentVolumeClaim data, ConfigMap settings, Secret keys, and a cell's namespace holds only what the chart makes",
    ]);
  });

  test('is the same for both versions, or has a name for each', () => {
    const settings = (name: string, mode: string, release: string) => ({
      ...object('ConfigMap', name, { data: { mode } }),
      metadata: { name, labels: { release } },
    });
    const rendered = (v1: KubernetesObject, v2: KubernetesObject) => ({
      v1: [deployment(), v1],
      v2: [deployment(), v2],
    });
    expect(mistakes(rendered(settings('settings', 'old', 'v1'), settings('settings', 'new', 'v2')))).toEqual([
      expect.stringMatching(/ConfigMap settings differently for v1 and v2.*\.Release\.Name/),
    ]);
    const same = rendered(settings('settings', 'old', 'v1'), settings('settings', 'old', 'v2'));
    expect(read(same).needs).toHaveLength(1);
    const named = rendered(settings('settings-v1', 'old', 'v1'), settings('settings-v2', 'new', 'v2'));
    expect(read(named).needs).toHaveLength(2);
  });
});

describe('a chart that a run has no place for is refused, naming what was found', () => {
  test.each([
    ['none', [], 'gateway.chart: renders no Deployment, but nothing; '],
    [
      'another kind',
      [object('StatefulSet', 'chat')],
      'gateway.chart: renders no Deployment, but StatefulSet chat; ',
    ],
    [
      'several',
      [deployment(), { ...deployment(), metadata: { name: 'worker' } }],
      "gateway.chart: renders Deployment chat, Deployment worker; turn all but the gateway's Deployment off",
    ],
    [
      'cluster-scoped objects',
      [deployment(), object('ClusterRole', 'chat'), object('NetworkPolicy', 'chat')],
      'gateway.chart: renders ClusterRole chat, NetworkPolicy chat; turn that off by its values (allowed is one Deployment with what its pods need (ConfigMap, Secret, ',
    ],
    [
      'a namespace of its own choice',
      [deployment(), { ...object('Secret', 'keys'), metadata: { name: 'keys', namespace: 'prod' } }],
      'gateway.chart: puts Secret keys into a namespace of its own choice',
    ],
    [
      'no port',
      [deployment({ containers: [{ name: 'app', ports: [{ name: 'http', containerPort: 80 }] }] })],
      'gateway.chart: its pods have no port named ws and none with gateway.port 9000, but 80 http of app',
    ],
  ])('%s', (_what, objects, told) => {
    const found = mistakes(both(...objects));
    expect(found[0]).toContain(told);
    expect(found.filter((one) => one.includes('(v'))).toEqual([]);
  });

  test('of one version only, it is said which', () => {
    expect(mistakes({ v1: [deployment()], v2: [] })).toEqual([
      expect.stringContaining('gateway.chart (v2): renders no Deployment'),
    ]);
  });

  test("what stands in the cell's own namespace is fine", () => {
    const keys = { ...object('Secret', 'keys'), metadata: { name: 'keys', namespace: 'cell' } };
    expect(read(both(deployment(), keys)).needs).toHaveLength(1);
  });
});

test("the nodes' images are those of all containers, or those that the configuration names", () => {
  const image = { v1: 'g:1', v2: 'g:2' };
  expect(ownImages(own({ chart: undefined, image }), undefined)).toEqual(['g:1', 'g:2']);
  expect(ownImages(own({ chart: undefined, image: 'g:1' }), undefined)).toEqual(['g:1']);
  const pod = { initContainers: [{ name: 'init', image: 'init:1' }] };
  const config = own({ image });
  expect(ownImages(config, read(both(deployment(pod)), config))).toEqual(['init:1', 'g:1', 'g:2']);
});
