import type { V1EndpointSlice, V1Ingress, V1Service } from '@kubernetes/client-node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PROXIES,
  PROXY_NAMES,
  type ProxyChange,
  type ProxyName,
} from '../../../harness/platforms/proxies.ts';
import { Random } from '../../../harness/statistics/random.ts';
import {
  chooseBackend,
  ingressConfig as configOf,
  findLocation,
  type HTTPRoute,
  type IngressConfig,
  type IngressObjects,
  nextConfig,
} from './ingress.ts';
import { runningProxy } from './running-proxy.ts';

const service = (name: string): V1Service => ({
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ name: 'ws', port: 80, targetPort: 8080 }] },
});

const slice = (name: string, addresses: string[], ready = true): V1EndpointSlice => ({
  addressType: 'IPv4',
  metadata: { name: `${name}-abcde`, labels: { 'kubernetes.io/service-name': name } },
  ports: [{ name: 'ws', port: 8080 }],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready } })),
});

function ingress(
  name: string,
  to: string,
  annotations: Record<string, string> = {},
  created = 0,
  path = '/',
): V1Ingress {
  return {
    metadata: {
      name,
      creationTimestamp: new Date(created),
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
      ),
    },
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          http: {
            paths: [{ path, pathType: 'Prefix', backend: { service: { name: to, port: { number: 80 } } } }],
          },
        },
      ],
    },
  };
}

const canary = (weight: string, more: Record<string, string> = {}) =>
  ingress('canary', 'v2', { canary: 'true', 'canary-weight': weight, ...more }, 5000);

const objects = (changes: Partial<IngressObjects> = {}): IngressObjects => ({
  ingresses: [ingress('main', 'v1')],
  routes: [],
  services: [service('v1'), service('v2')],
  slices: [slice('v1', ['10.0.0.1', '10.0.0.2']), slice('v2', ['10.0.1.1'])],
  ...changes,
});

const ingressConfig = (of: IngressObjects, name: ProxyName = 'ingress-nginx') =>
  configOf(of, runningProxy({ INGRESS: name }));

const choices = (config: IngressConfig, path = '/') => {
  const location = findLocation(config, '', path);
  return config.routes.find(({ name }) => name === location?.route)?.choices;
};
const reloads = (before: IngressObjects, after: IngressObjects) =>
  ingressConfig(before).reloadKey !== ingressConfig(after).reloadKey;

describe('what an Ingress becomes', () => {
  it('sends everything to the ready endpoints of its Service', () => {
    const config = ingressConfig(objects());
    expect(choices(config)).toEqual([{ backend: 'default-v1-80', weight: 1 }]);
    expect(config.backends).toEqual([
      {
        name: 'default-v1-80',
        endpoints: [
          { address: '10.0.0.1', port: 8080 },
          { address: '10.0.0.2', port: 8080 },
        ],
      },
    ]);
  });

  it('belongs to this controller only with its class', () => {
    const other = ingress('main', 'v1');
    delete other.spec?.ingressClassName;
    expect(ingressConfig(objects({ ingresses: [other] })).locations).toEqual([]);
  });

  it('ends idle WebSockets after 60 s, or after what its annotation says', () => {
    expect(ingressConfig(objects()).locations[0]?.readTimeout).toBe(60_000);
    const patient = ingress('main', 'v1', { 'proxy-read-timeout': '3600' });
    expect(ingressConfig(objects({ ingresses: [patient] })).locations[0]?.readTimeout).toBe(3_600_000);
  });

  it('loses a path to an older Ingress', () => {
    const config = ingressConfig(
      objects({ ingresses: [ingress('a-newer', 'v2', {}, 9000), ingress('main', 'v1', {}, 1000)] }),
    );
    expect(config.locations).toHaveLength(1);
    expect(choices(config)).toEqual([{ backend: 'default-v1-80', weight: 1 }]);
  });

  it('matches paths by element, exact before prefix, longest first', () => {
    const exact = ingress('exact', 'v2', {}, 3000, '/chat/room');
    const path = exact.spec?.rules?.[0]?.http?.paths[0];
    if (path) path.pathType = 'Exact';
    const config = ingressConfig(
      objects({ ingresses: [ingress('main', 'v1'), ingress('chat', 'v2', {}, 1000, '/chat'), exact] }),
    );
    const pathOf = (request: string) => findLocation(config, 'any.example', request)?.path;
    expect(pathOf('/')).toBe('/');
    expect(pathOf('/chatter')).toBe('/');
    expect(pathOf('/chat/other')).toBe('/chat');
    expect(findLocation(config, 'any.example', '/chat/room')?.match).toBe('exact');
  });
});

describe('what a canary Ingress becomes', () => {
  it('gives its Service the weight out of 100', () => {
    const config = ingressConfig(objects({ ingresses: [ingress('main', 'v1'), canary('5')] }));
    expect(config.locations).toHaveLength(1);
    expect(choices(config)).toEqual([
      { backend: 'default-v2-80', weight: 5 },
      { backend: 'default-v1-80', weight: 95 },
    ]);
  });

  it('honours a weight total above 100 and takes any other for 100', () => {
    const total = (value: string) =>
      choices(
        ingressConfig(
          objects({ ingresses: [ingress('main', 'v1'), canary('2', { 'canary-weight-total': value })] }),
        ),
      );
    expect(total('1000')?.[1]?.weight).toBe(998);
    expect(total('10')?.[1]?.weight).toBe(98);
  });

  it('is passed over while its Service has no endpoint', () => {
    const config = ingressConfig(
      objects({
        ingresses: [ingress('main', 'v1'), canary('100')],
        slices: [slice('v1', ['10.0.0.1']), slice('v2', ['10.0.1.1'], false)],
      }),
    );
    expect(choices(config)).toEqual([{ backend: 'default-v1-80', weight: 1 }]);
  });

  it('is out of reach at any weight once the main Service has no endpoint', () => {
    const config = ingressConfig(
      objects({ ingresses: [ingress('main', 'v1'), canary('100')], slices: [slice('v2', ['10.0.1.1'])] }),
    );
    expect(choices(config)).toEqual([]);
  });

  it('does nothing beside a main Ingress that has been promoted to the same Service', () => {
    const config = ingressConfig(objects({ ingresses: [ingress('main', 'v2'), canary('50')] }));
    expect(choices(config)).toEqual([{ backend: 'default-v2-80', weight: 1 }]);
  });
});

describe('what reloads ingress-nginx', () => {
  const before = objects({ ingresses: [ingress('main', 'v1'), canary('5')] });

  it.each<[string, Partial<IngressObjects>]>([
    ['another weight', { ingresses: [ingress('main', 'v1'), canary('50')] }],
    ['a canary Ingress that goes (or comes): its Service has no server of its own', objects()],
    ['other endpoints', { slices: [slice('v1', ['10.0.0.9']), slice('v2', ['10.0.1.1', '10.0.1.2'])] }],
    ['no endpoints at all', { slices: [] }],
    [
      "another selector of the main Ingress's Service",
      {
        services: [
          { ...service('v1'), spec: { ...service('v1').spec, selector: { app: 'v2' } } },
          service('v2'),
        ],
      },
    ],
  ])('not %s', (_what, changes) => {
    expect(reloads(before, { ...before, ...changes })).toBe(false);
  });

  it.each<[string, Partial<IngressObjects>]>([
    ['another Service behind the main Ingress', { ingresses: [ingress('main', 'v2'), canary('5')] }],
    [
      'a further Ingress',
      { ingresses: [ingress('main', 'v1'), canary('5'), ingress('x', 'v2', {}, 9000, '/x')] },
    ],
    ['the main Ingress deleted', { ingresses: [canary('5')] }],
    ['another timeout', { ingresses: [ingress('main', 'v1', { 'proxy-read-timeout': '90' }), canary('5')] }],
    ['its Service removed', { services: [service('v2')] }],
  ])('%s', (_what, changes) => {
    expect(reloads(before, { ...before, ...changes })).toBe(true);
  });

  it('no order in which the objects are listed', () => {
    expect(reloads(before, { ...before, ingresses: [...before.ingresses].reverse() })).toBe(false);
  });
});

describe('what a HTTPRoute becomes', () => {
  const route = (...weights: (number | undefined)[]): HTTPRoute => ({
    metadata: { name: 'gateway' },
    spec: {
      rules: [
        {
          backendRefs: weights.map((weight, index) => ({
            name: `v${index + 1}`,
            port: 80,
            ...(weight === undefined ? {} : { weight }),
          })),
        },
      ],
    },
  });
  const only = (changed: HTTPRoute) => objects({ ingresses: [], routes: [changed] });

  it('splits by the weights of its backends, 1 where none is given', () => {
    expect(choices(ingressConfig(only(route(undefined, 3)), 'envoy-gateway'))).toEqual([
      { backend: 'default-v1-80', weight: 1 },
      { backend: 'default-v2-80', weight: 3 },
    ]);
  });

  it('is not the business of a proxy of Ingresses, nor an Ingress of one of HTTPRoutes', () => {
    expect(ingressConfig(only(route(1))).locations).toEqual([]);
    expect(ingressConfig(objects(), 'envoy-gateway').locations).toEqual([]);
  });
});

describe('what reloads whom', () => {
  const secret = (content: string) => ({
    metadata: { name: 'tls' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': content },
  });
  const routeTo = (name: string, to: string, weight: number, host = 'a.example'): HTTPRoute => ({
    metadata: { name },
    spec: {
      hostnames: [host],
      rules: [
        {
          backendRefs: [
            { name: to, port: 80, weight },
            { name: 'v2', port: 80, weight: 1 },
          ],
        },
      ],
    },
  });
  const world = (name: ProxyName, changes: Partial<IngressObjects> = {}) => {
    const { ingressClass } = PROXIES[name];
    const all = objects({
      ingresses: [ingress('main', 'v1'), canary('5')],
      routes: [routeTo('main', 'v1', 1)],
      secrets: [secret('old')],
      configMaps: [{ metadata: { name: 'ingress' }, data: { is: 'old' } }],
      ...changes,
    });
    const ingresses = all.ingresses.map(({ spec, ...rest }) => ({
      ...rest,
      spec: { ...spec, ingressClassName: ingressClass },
    }));
    return ingressConfig({ ...all, ingresses }, name);
  };
  const CHANGES: Readonly<Record<ProxyChange, Partial<IngressObjects>>> = {
    routes: {
      ingresses: [ingress('main', 'v1'), canary('5'), ingress('x', 'v2', {}, 9000, '/x')],
      routes: [routeTo('main', 'v1', 1), routeTo('x', 'v2', 1, 'x.example')],
    },
    certificates: { secrets: [secret('new')] },
    weights: {
      ingresses: [ingress('main', 'v1'), canary('50')],
      routes: [routeTo('main', 'v1', 9)],
    },
    // One that comes where another went, so that no slot is needed.
    endpoints: { slices: [slice('v1', ['10.0.0.1', '10.0.0.9']), slice('v2', ['10.0.1.1'])] },
    services: { ingresses: [ingress('main', 'v2'), canary('5')], routes: [routeTo('main', 'v2', 1)] },
    settings: { configMaps: [{ metadata: { name: 'ingress' }, data: { is: 'new' } }] },
  };
  /** Each entry of the table: what takes a reload, as its facts say. */
  const EXPECTED: Readonly<Record<ProxyName, readonly ProxyChange[]>> = {
    'ingress-nginx': ['routes', 'services', 'settings'],
    'nginx-gateway-fabric': ['routes', 'certificates', 'weights', 'endpoints', 'services', 'settings'],
    'haproxy-ingress': ['routes', 'certificates', 'services', 'settings'],
    traefik: [],
    'envoy-gateway': ['settings'],
    istio: ['settings'],
  };

  it.each(PROXY_NAMES)('%s', (name) => {
    const before = nextConfig(PROXIES[name], undefined, world(name)).config;
    const found = (Object.keys(CHANGES) as ProxyChange[]).filter(
      (change) => nextConfig(PROXIES[name], before, world(name, CHANGES[change])).reload,
    );
    // A HTTPRoute's other Service is another weight, of which nobody but NGINX Gateway Fabric makes a reload.
    expect(found).toEqual(EXPECTED[name]);
    expect(nextConfig(PROXIES[name], before, world(name)).reload).toBe(false);
  });

  it('fills the slots of a backend, and reloads for one endpoint more; fewer never need it', () => {
    const { 'haproxy-ingress': haproxy } = PROXIES;
    const of = (count: number) =>
      world('haproxy-ingress', {
        slices: [
          slice(
            'v1',
            Array.from({ length: count }, (_, index) => `10.0.0.${index + 1}`),
          ),
        ],
      });
    let { config } = nextConfig(haproxy, undefined, of(2));
    expect(config.backends[0]?.slots).toBe(8);
    for (const count of [8, 0, 5, 8]) {
      const next = nextConfig(haproxy, config, of(count));
      expect(next.reload).toBe(false);
      config = next.config;
    }
    const next = nextConfig(haproxy, config, of(9));
    expect(next.reload).toBe(true);
    expect(next.config.backends[0]?.slots).toBe(15);
  });
});

describe('the draw', () => {
  it('follows the weights', () => {
    const random = new Random('draw');
    const route = {
      name: 'r',
      choices: [
        { backend: 'v2', weight: 20 },
        { backend: 'v1', weight: 80 },
      ],
    };
    let hits = 0;
    for (let index = 0; index < 10_000; index++)
      if (chooseBackend(route, (total) => random.integer(0, total)) === 'v2') hits++;
    // Four standard deviations of a binomial of 10,000 draws at 1/5.
    expect(Math.abs(hits - 2000)).toBeLessThan(160);
  });

  it('never goes to a weight of 0, and to somebody whenever any weight is positive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (weights, where) => {
          const route = {
            name: 'r',
            choices: weights.map((weight, index) => ({ backend: String(index), weight })),
          };
          const chosen = chooseBackend(route, (total) => Math.floor(where * total));
          if (weights.every((weight) => weight === 0)) expect(chosen).toBeUndefined();
          else expect(weights[Number(chosen)]).toBeGreaterThan(0);
        },
      ),
    );
  });
});
