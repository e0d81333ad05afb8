import { describe, expect, test } from 'vitest';
import type { Get } from '../api/api-connection.ts';
import { findHops, hopFacts, hopLacked, hopsOffered } from './found-hops.ts';

type Answers = Readonly<Record<string, unknown>>;

/** An API server that answers by path and refuses everything else, as a role with few rights does. */
const server =
  (answers: Answers): Get =>
  async (path) => {
    if (!(path in answers)) throw new Error(`forbidden: ${path}`);
    return JSON.stringify(answers[path]);
  };
const apis = (...served: string[]) => ({
  '/apis': {
    groups: [...new Set(served.map((each) => each.split('/')[0]))].map((name) => ({
      name,
      versions: served
        .filter((each) => each.startsWith(`${name}/`))
        .map((each) => ({ version: each.split('/')[1] })),
    })),
  },
});
const named = (name: string, more = {}) => ({ metadata: { name, ...more } });

const CLASSES = '/apis/networking.k8s.io/v1/ingressclasses';
const ingressClass = (name: string, controller: string, more = {}) => ({
  ...named(name, more),
  spec: { controller },
});
const NGINX = ingressClass('nginx', 'k8s.io/ingress-nginx', {
  labels: { 'app.kubernetes.io/instance': 'ingress-nginx' },
});

/** As `helm install ingress-nginx` (chart 4.12) leaves them. */
const nginxService = (name: string, type: string, instance = 'ingress-nginx') => ({
  metadata: {
    name,
    namespace: 'ingress-nginx',
    labels: {
      'app.kubernetes.io/component': 'controller',
      'app.kubernetes.io/instance': instance,
      'app.kubernetes.io/name': 'ingress-nginx',
    },
  },
  spec: {
    type,
    selector: { 'app.kubernetes.io/component': 'controller', 'app.kubernetes.io/instance': instance },
    ports: type === 'ClusterIP' ? [{ name: 'https-webhook', port: 443 }] : [{ name: 'http', port: 80 }],
  },
});
const nginxPods = {
  items: [
    {
      metadata: { name: 'ingress-nginx-controller-x', namespace: 'ingress-nginx' },
      spec: {
        nodeName: 'node-b',
        containers: [
          { name: 'controller', image: 'registry.k8s.io/ingress-nginx/controller:v1.12.1@sha256:d2fb' },
        ],
      },
    },
  ],
};

describe('ingress-nginx', () => {
  const lacked = async (answers: Answers, choice = {}) =>
    hopLacked(await findHops(server(answers), choice), 'ingress-nginx');

  test('is known by its class, its Service and the tag of its image', async () => {
    const hops = await findHops(
      server({
        ...apis('networking.k8s.io/v1'),
        [CLASSES]: { items: [ingressClass('gce', 'ingress.gce.io/gce'), NGINX] },
        '/api/v1/services': {
          items: [
            nginxService('ingress-nginx-controller-admission', 'ClusterIP'),
            nginxService('other-controller', 'LoadBalancer', 'other'),
            nginxService('ingress-nginx-controller', 'LoadBalancer'),
          ],
        },
        '/api/v1/namespaces/ingress-nginx/pods': nginxPods,
      }),
    );
    expect(hops.ingress).toMatchObject({
      there: {
        className: 'nginx',
        version: 'v1.12.1',
        service: { metadata: { name: 'ingress-nginx-controller' } },
        pods: [{ namespace: 'ingress-nginx', name: 'ingress-nginx-controller-x', node: 'node-b' }],
      },
    });
    expect(hopsOffered(hops)).toEqual(['ingress-nginx']);
    expect(hopFacts(hops)['ingress controller']).toBe(
      "ingress-nginx v1.12.1, class nginx, Service ingress-nginx/ingress-nginx-controller; its worker-shutdown-timeout and other settings are the cluster's own",
    );
  });

  test('is used by its class alone where nothing else may be read', async () => {
    const hops = await findHops(server({ ...apis('networking.k8s.io/v1'), [CLASSES]: { items: [NGINX] } }));
    expect(hops.ingress).toEqual({ there: { className: 'nginx', pods: [] } });
  });

  test('with several classes is the default one, or the one that was chosen', async () => {
    const items = [
      ingressClass('inner', 'k8s.io/ingress-nginx'),
      ingressClass('outer', 'k8s.io/ingress-nginx', {
        annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' },
      }),
    ];
    const answers = { ...apis('networking.k8s.io/v1'), [CLASSES]: { items } };
    const className = async (choice = {}) => (await findHops(server(answers), choice)).ingress;
    expect(await className()).toMatchObject({ there: { className: 'outer' } });
    expect(await className({ ingressClass: 'inner' })).toMatchObject({ there: { className: 'inner' } });
    expect(await lacked(answers, { ingressClass: 'none' })).toContain('no IngressClass none of controller');
  });

  test('of another maker is none: it does not know the canary annotations', async () => {
    const items = [ingressClass('traefik', 'traefik.io/ingress-controller')];
    expect(await lacked({ ...apis('networking.k8s.io/v1'), [CLASSES]: { items } })).toBe(
      'the cluster has no IngressClass of controller k8s.io/ingress-nginx (found: traefik of traefik.io/ingress-controller)',
    );
  });

  test('is not there where classes are none, may not be read, or are not served', async () => {
    expect(await lacked({ ...apis('networking.k8s.io/v1'), [CLASSES]: { items: [] } })).toContain(
      '(found: none)',
    );
    expect(await lacked(apis('networking.k8s.io/v1'))).toBe(
      `its IngressClasses may not be read: forbidden: ${CLASSES}`,
    );
    expect(await lacked(apis('networking.k8s.io/v1beta1'))).toContain('no networking.k8s.io/v1');
  });
});

describe('the Gateway API', () => {
  const CLASSES_V1 = '/apis/gateway.networking.k8s.io/v1/gatewayclasses';
  const gatewayClass = (name: string, controllerName: string, accepted = true) => ({
    ...named(name),
    spec: { controllerName },
    status: { conditions: [{ type: 'Accepted', status: accepted ? 'True' : 'Unknown' }] },
  });
  const find = (items: unknown[], choice = {}) =>
    findHops(server({ ...apis('gateway.networking.k8s.io/v1'), [CLASSES_V1]: { items } }), choice);
  const EG = gatewayClass('eg', 'gateway.envoyproxy.io/gatewayclass-controller');

  test('is used with the one class that its controller has accepted', async () => {
    const hops = await find([EG, gatewayClass('old', 'example.com/gone', false)]);
    expect(hops.gatewayApi).toEqual({
      there: { className: 'eg', controller: 'gateway.envoyproxy.io/gatewayclass-controller', version: 'v1' },
    });
    expect(hopsOffered(hops)).toEqual(['envoy-gateway']);
    expect(hopLacked(hops, 'istio')).toBe(
      'its GatewayClass is of Envoy Gateway: choose --ingress envoy-gateway',
    );
  });

  test('of a controller that the table does not hold stands for any implementation', async () => {
    const hops = await find([gatewayClass('other', 'example.com/other')]);
    expect(hopsOffered(hops)).toEqual(['nginx-gateway-fabric', 'envoy-gateway', 'istio']);
  });

  test("of Istio is its gateway, neither waypoints nor another cluster's", async () => {
    const hops = await find([
      gatewayClass('istio', 'istio.io/gateway-controller'),
      gatewayClass('istio-remote', 'istio.io/unmanaged-gateway'),
      gatewayClass('istio-waypoint', 'istio.io/mesh-controller'),
    ]);
    expect(hops.gatewayApi).toMatchObject({ there: { className: 'istio' } });
  });

  test('with several classes asks for a choice, and takes it', async () => {
    const items = [EG, gatewayClass('nginx', 'gateway.nginx.org/nginx-gateway-controller')];
    expect(hopLacked(await find(items), 'envoy-gateway')).toBe(
      'the cluster has several GatewayClasses (eg, nginx): choose with --gateway-class',
    );
    expect((await find(items, { gatewayClass: 'nginx' })).gatewayApi).toMatchObject({
      there: { className: 'nginx' },
    });
  });

  test('is not there without a class that is accepted, without its CRDs, or in a version of before', async () => {
    expect(
      hopLacked(await find([gatewayClass('old', 'example.com/gone', false)]), 'envoy-gateway'),
    ).toContain('(found: old of example.com/gone, not accepted)');
    const without = await findHops(server(apis('apps/v1')));
    expect(hopLacked(without, 'envoy-gateway')).toContain('are not installed');
    const before = await findHops(server(apis('gateway.networking.k8s.io/v1alpha2')));
    expect(hopLacked(before, 'envoy-gateway')).toContain('served as v1alpha2 only');
  });
});

describe('Istio', () => {
  const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
  const expression = (key: string, operator: string, ...values: string[]) => ({ key, operator, values });
  const webhook = (name: string, namespaces: unknown[], objects: unknown[]) => ({
    name: `${name}.sidecar-injector.istio.io`,
    namespaceSelector: { matchExpressions: namespaces },
    objectSelector: { matchExpressions: objects },
  });
  const INJECT = 'sidecar.istio.io/inject';
  /** As `istioctl install` leaves them. */
  const DEFAULT = [
    webhook(
      'rev.namespace',
      [expression('istio.io/rev', 'In', 'default'), expression('istio-injection', 'DoesNotExist')],
      [expression(INJECT, 'NotIn', 'false')],
    ),
    webhook(
      'namespace',
      [expression('istio-injection', 'In', 'enabled')],
      [expression(INJECT, 'NotIn', 'false')],
    ),
  ];
  const find = (answers: Answers) =>
    findHops(server({ ...apis('networking.istio.io/v1', 'networking.istio.io/v1beta1'), ...answers }));

  test('injects where its default injector looks, and says its version', async () => {
    const pods = {
      items: [{ spec: { containers: [{ image: 'docker.io/istio/pilot:1.26.0-distroless' }] } }],
    };
    const hops = await find({
      [WEBHOOKS]: { items: [{ webhooks: DEFAULT }] },
      '/api/v1/namespaces/istio-system/pods': pods,
    });
    expect(hops.mesh).toEqual({
      there: {
        labels: { 'istio-injection': 'enabled' },
        api: 'networking.istio.io/v1',
        version: '1.26.0-distroless',
      },
    });
    expect(hopsOffered(hops)).toEqual(['mesh']);
    expect(hopFacts(hops)['service mesh']).toContain('injects where istio-injection=enabled');
  });

  test('of a revision only, as a managed mesh is, injects where the revision is named', async () => {
    const managed = webhook(
      'rev.namespace',
      [expression('istio.io/rev', 'In', 'asm-managed'), expression('istio-injection', 'DoesNotExist')],
      [expression(INJECT, 'NotIn', 'false')],
    );
    expect((await find({ [WEBHOOKS]: { items: [{ webhooks: [managed] }] } })).mesh).toMatchObject({
      there: { labels: { 'istio.io/rev': 'asm-managed' } },
    });
  });

  test('is known by other namespaces where its injector may not be read', async () => {
    const items = [named('default'), named('shop', { labels: { 'istio.io/rev': 'stable' } })];
    expect((await find({ '/api/v1/namespaces': { items } })).mesh).toMatchObject({
      there: { labels: { 'istio.io/rev': 'stable' } },
    });
  });

  test('is not there without its CRDs, nor with CRDs that were left behind without an injector', async () => {
    const other = { items: [{ webhooks: [{ name: 'validate.nginx.ingress.kubernetes.io' }] }] };
    expect(hopLacked(await find({ [WEBHOOKS]: other }), 'mesh')).toContain('no sidecar injector was found');
    expect(hopLacked(await findHops(server(apis('apps/v1'))), 'mesh')).toBe(
      "Istio's CRDs (networking.istio.io) are not installed",
    );
  });
});

test('what is missing is told with its reason where that is asked for', async () => {
  const hops = await findHops(server(apis('networking.k8s.io/v1')));
  expect(hopFacts(hops)).toEqual({});
  expect(Object.keys(hopFacts(hops, true))).toEqual(['ingress controller', 'Gateway API', 'service mesh']);
  expect(hopFacts(hops, true)['service mesh']).toMatch(/^none: Istio's CRDs/);
});
