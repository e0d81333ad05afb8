import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  KubeConfig,
  KubernetesListObject,
  KubernetesObject,
  V1EndpointSlice,
  V1Ingress,
  V1Service,
} from '@kubernetes/client-node';
import type { KubeError } from '../../harness/errors.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { type HTTPRoute, type IngressConfig, ingressConfig } from '../control-plane/ingress/ingress.ts';
import { type HopAct, runningProxy } from '../control-plane/ingress/running-proxy.ts';
import { ApiConnection } from '../kubernetes/api/api-connection.ts';
import { type GroupList, normalise, servedGroups, servedVersion } from '../kubernetes/api/api-versions.ts';
import { Nginx } from '../netns/nginx/nginx.ts';
import { startHere } from '../netns/nginx/start-here.fixture.ts';

const PASSING: ReadonlySet<string> = new Set(['NotFound', 'HTTP 404', 'AlreadyExists']);
const PORT = '80';
const HEALTH_PORT = '10254';
const LOOK_EVERY = 300;
const GATEWAY_API = 'gateway.networking.k8s.io';
const MERGE = 'application/merge-patch+json';
const NETWORKING = '/apis/networking.k8s.io/v1';

/** What the fixture has done so far. */
export interface LabController extends AsyncDisposable {
  readonly className: string;
  readonly acts: readonly HopAct[];
}

/**
 * An ingress controller for a cluster that has none: a real nginx beside the cluster, from where its pods can be
 * reached, driven by the real API: class, Ingresses, HTTPRoutes, EndpointSlices, and the address that it writes back. It
 * serves one namespace at a time. All that it makes outside of namespaces is gone when it is disposed of.
 */
export async function labController(config: KubeConfig, className: string): Promise<LabController> {
  await using making = new AsyncDisposableStack();
  const clock = new ScaledClock(1);
  const api = new ApiConnection(config, clock);
  for (const [path, object] of clusterObjects(className)) {
    await create(api, clock, path, object);
    making.defer(async () => {
      await api.request('DELETE', `${path}/${object.metadata.name}`);
    });
  }
  const address = ownAddress();
  const acts: HopAct[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'lab-'));
  making.defer(() => rmSync(directory, { recursive: true, force: true }));
  const { promise: gone, resolve: exited } = Promise.withResolvers<string>();
  const nginx = new Nginx({
    directory,
    address,
    is: runningProxy({ PORT, HEALTH_PORT }),
    workers: 2,
    workerConnections: 4096,
    speed: 1,
    root: process.getuid?.() === 0,
    clock,
    start: startHere,
    acted: (act) => acts.push(act),
    logged() {},
    exited,
  });
  making.defer(async () => {
    nginx.kill();
    await gone;
  });
  await nginx.ready();
  const ended = new AbortController();
  const driving = drive(api, { clock, nginx, className, address, signal: ended.signal });
  making.defer(async () => {
    ended.abort();
    await driving;
  });
  const made = making.move();
  return { className, acts, [Symbol.asyncDispose]: () => made.disposeAsync() };
}

/** A kind that was defined a moment ago is not served yet, and one that was deleted a moment ago still there. */
async function create(
  api: ApiConnection,
  clock: ScaledClock,
  path: string,
  object: KubernetesObject,
): Promise<void> {
  for (let left = 50; ; left--)
    try {
      await api.request('POST', path, { body: JSON.stringify(object) });
      return;
    } catch (error) {
      if (left === 0 || !PASSING.has((error as KubeError).reason)) throw error;
      await clock.sleep(LOOK_EVERY);
    }
}

/** A class for Ingresses; the Gateway API's CRDs without their schemas, and a class for Gateways, which is accepted at once. */
function clusterObjects(
  className: string,
): [path: string, object: KubernetesObject & { metadata: { name: string } }][] {
  const crd = (kind: string, plural: string, scope: string) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GATEWAY_API}`,
      annotations: { 'api-approved.kubernetes.io': 'unapproved, a stand-in for tests' },
    },
    spec: {
      group: GATEWAY_API,
      scope,
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: 'v1beta1',
          served: true,
          storage: true,
          subresources: kind === 'Gateway' ? { status: {} } : {},
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  return [
    [
      `${NETWORKING}/ingressclasses`,
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IngressClass',
        metadata: { name: className },
        spec: { controller: 'k8s.io/ingress-nginx' },
      } as KubernetesObject & { metadata: { name: string } },
    ],
    [crds, crd('GatewayClass', 'gatewayclasses', 'Cluster')],
    [crds, crd('Gateway', 'gateways', 'Namespaced')],
    [crds, crd('HTTPRoute', 'httproutes', 'Namespaced')],
    [
      `/apis/${GATEWAY_API}/v1beta1/gatewayclasses`,
      {
        apiVersion: `${GATEWAY_API}/v1beta1`,
        kind: 'GatewayClass',
        metadata: { name: className },
        spec: { controllerName: 'example.com/lab' },
        status: { conditions: [{ type: 'Accepted', status: 'True' }] },
      } as KubernetesObject & { metadata: { name: string } },
    ],
  ];
}

interface Driving {
  readonly clock: ScaledClock;
  readonly nginx: Nginx;
  readonly className: string;
  readonly address: string;
  readonly signal: AbortSignal;
}

/** Looks at the API several times a second, configures nginx with what has changed, and writes its address back. */
async function drive(
  api: ApiConnection,
  { clock, nginx, className, address, signal }: Driving,
): Promise<void> {
  const groups = servedGroups(JSON.parse(await api.request('GET', '/apis')) as GroupList);
  const none = (error: KubeError) => (PASSING.has(error.reason) ? '{"items":[]}' : Promise.reject(error));
  const list = async <T extends KubernetesObject>(kind: string, path: string): Promise<T[]> =>
    (JSON.parse(await api.request('GET', path).catch(none)) as KubernetesListObject<T>).items.map((item) => ({
      ...item,
      kind,
      metadata: { ...item.metadata, creationTimestamp: new Date(item.metadata?.creationTimestamp ?? 0) },
    }));
  const slicesIn = servedVersion('EndpointSlice', groups);
  let running: IngressConfig | undefined;
  while (!signal.aborted) {
    const ofClass = (await list<V1Ingress>('Ingress', `${NETWORKING}/ingresses`)).filter(
      ({ spec }) => spec?.ingressClassName === className,
    );
    const gateways = await list<Gateway>('Gateway', `/apis/${GATEWAY_API}/v1beta1/gateways`);
    const namespace = (ofClass[0] ?? gateways[0])?.metadata?.namespace;
    if (namespace !== undefined) {
      const within = `namespaces/${namespace}`;
      const slices = await list<V1EndpointSlice>(
        'EndpointSlice',
        `/apis/${slicesIn}/${within}/endpointslices`,
      );
      const objects = {
        // The model knows its controller by the name `nginx`.
        ingresses: ofClass.map(({ spec, ...rest }) => ({
          ...rest,
          spec: { ...spec, ingressClassName: 'nginx' },
        })),
        routes: await list<HTTPRoute>('HTTPRoute', `/apis/${GATEWAY_API}/v1beta1/${within}/httproutes`),
        services: await list<V1Service>('Service', `/api/v1/${within}/services`),
        slices: slices.map((slice) => normalise({ ...slice, apiVersion: slicesIn }, 'EndpointSlice')),
      };
      const INGRESS = ofClass.length > 0 ? 'ingress-nginx' : 'nginx-gateway-fabric';
      const config = ingressConfig(objects, runningProxy({ INGRESS }));
      if (JSON.stringify(config) !== JSON.stringify(running))
        await nginx.configure(config, running?.reloadKey !== config.reloadKey);
      running = config;
      const loadBalancer = { ingress: [{ ip: address }] };
      for (const { metadata, status } of ofClass)
        if (status?.loadBalancer?.ingress === undefined)
          await writeStatus(api, `${NETWORKING}/${within}/ingresses/${metadata?.name}`, { loadBalancer });
      const addresses = [{ type: 'IPAddress', value: address }];
      for (const { metadata, status } of gateways)
        if (status?.addresses === undefined)
          await writeStatus(api, `/apis/${GATEWAY_API}/v1beta1/${within}/gateways/${metadata?.name}`, {
            addresses,
          });
    }
    await clock.sleep(LOOK_EVERY, signal).catch(() => {});
  }
}

type Gateway = KubernetesObject & { readonly status?: { readonly addresses?: unknown } };

/** An object that went away in the meantime needs none. */
const writeStatus = (api: ApiConnection, path: string, status: object) =>
  api
    .request('PATCH', `${path}/status`, { body: JSON.stringify({ status }), contentType: MERGE })
    .catch(() => {});

/** This machine's (or network namespace's) own address, where the cluster's nodes can answer to it. */
function ownAddress(): string {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  if (own === undefined) throw new Error('there is no address but loopback here');
  return own.address;
}
