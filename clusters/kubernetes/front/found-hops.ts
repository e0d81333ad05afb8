import type {
  KubernetesListObject,
  KubernetesObject,
  V1Condition,
  V1IngressClass,
  V1IngressClassList,
  V1PodList,
  V1Service,
  V1ServiceList,
} from '@kubernetes/client-node';
import type { Capability } from '../../../harness/contracts/cluster.ts';
import { PROXIES, PROXY_NAMES, type ProxyName, proxyNamed } from '../../../harness/platforms/proxies.ts';
import type { Get } from '../api/api-connection.ts';
import { type GroupList, type ServedGroups, servedGroups } from '../api/api-versions.ts';
import { type Found, imageTag } from './found.ts';
import { type FoundMesh, findMesh } from './found-mesh.ts';

/** ingress-nginx, as its cluster runs it. */
interface FoundIngress {
  readonly className: string;
  /** What clients come by; undefined where no Service of its own was found: then by what it writes into an Ingress's status. */
  readonly service?: V1Service;
  /** Its pods, where they may be read. */
  readonly pods: readonly { readonly namespace: string; readonly name: string; readonly node: string }[];
  /** The tag of its image. */
  readonly version?: string;
}

/** A GatewayClass whose controller has accepted it. */
interface FoundGatewayClass {
  readonly className: string;
  readonly controller: string;
  /** Of the Gateway API: `v1`, or `v1beta1`. */
  readonly version: string;
}

/** What a cluster has that could stand between its balancer and the gateways. */
export interface FoundHops {
  readonly ingress: Found<FoundIngress>;
  readonly gatewayApi: Found<FoundGatewayClass>;
  readonly mesh: Found<FoundMesh>;
}

/** Which one to take, where a cluster has several. */
export interface HopChoice {
  readonly ingressClass?: string | undefined;
  readonly gatewayClass?: string | undefined;
}

const INGRESS_NGINX = 'k8s.io/ingress-nginx';
const GATEWAY_API = 'gateway.networking.k8s.io';
/** Versions of the Gateway API with the HTTPRoute that is written here. */
const GATEWAY_VERSIONS = ['v1', 'v1beta1'];
/** Istio's GatewayClasses that take nobody in from outside: waypoints, and gateways of another cluster. */
const NO_ENTRANCE: ReadonlySet<string> = new Set(['istio.io/mesh-controller', 'istio.io/unmanaged-gateway']);

/** Looks, by reading only, for ingress-nginx, an implementation of the Gateway API, and Istio. */
export async function findHops(get: Get, choice: HopChoice = {}): Promise<FoundHops> {
  const groups = servedGroups(JSON.parse(await get('/apis')) as GroupList);
  const [ingress, gatewayApi, mesh] = await Promise.all([
    findIngress(get, groups, choice.ingressClass),
    findGatewayClass(get, groups, choice.gatewayClass),
    findMesh(get, groups),
  ]);
  return { ingress, gatewayApi, mesh };
}

async function findIngress(
  get: Get,
  groups: ServedGroups,
  chosen: string | undefined,
): Promise<Found<FoundIngress>> {
  if (!groups.get('networking.k8s.io')?.includes('v1'))
    return { why: 'the cluster serves no networking.k8s.io/v1, in which an Ingress is written' };
  const classes = await attempt(async () => {
    const text = await get('/apis/networking.k8s.io/v1/ingressclasses');
    return (JSON.parse(text) as V1IngressClassList).items;
  });
  if (typeof classes === 'string') return { why: `its IngressClasses may not be read: ${classes}` };
  const nginx = classes.filter(({ spec }) => spec?.controller === INGRESS_NGINX);
  const taken =
    chosen === undefined ? (nginx.find(isDefault) ?? nginx[0]) : nginx.find((one) => nameOf(one) === chosen);
  if (taken === undefined) {
    const found = classes.map((one) => `${nameOf(one)} of ${one.spec?.controller}`).join(', ') || 'none';
    const named = chosen === undefined ? '' : ` ${chosen}`;
    return {
      why: `the cluster has no IngressClass${named} of controller ${INGRESS_NGINX} (found: ${found})`,
    };
  }
  const service = await controllerService(get, taken).catch(() => undefined);
  const { pods, version } = await controllerPods(get, service).catch(() => ({
    pods: [],
    version: undefined,
  }));
  return {
    there: {
      className: nameOf(taken),
      pods,
      ...(service === undefined ? {} : { service }),
      ...(version === undefined ? {} : { version }),
    },
  };
}

const isDefault = ({ metadata }: V1IngressClass) =>
  metadata?.annotations?.['ingressclass.kubernetes.io/is-default-class'] === 'true';

/** Labels that its manifests and its chart give the Service and the class (ing deploy/static, charts/ingress-nginx). */
const NAME = 'app.kubernetes.io/name';
const INSTANCE = 'app.kubernetes.io/instance';
const COMPONENT = 'app.kubernetes.io/component';

async function controllerService(get: Get, { metadata }: V1IngressClass): Promise<V1Service | undefined> {
  const text = await get('/api/v1/services', { labelSelector: `${COMPONENT}=controller` });
  const services = (JSON.parse(text) as V1ServiceList).items.filter(
    (service) =>
      /ingress-nginx/.test(service.metadata?.labels?.[NAME] ?? '') &&
      service.spec?.type !== 'ClusterIP' &&
      httpPort(service) !== undefined,
  );
  const instance = metadata?.labels?.[INSTANCE];
  return services.find((service) => service.metadata?.labels?.[INSTANCE] === instance) ?? services[0];
}

/** The port of a controller's Service that takes plain HTTP. */
export const httpPort = ({ spec }: V1Service) =>
  spec?.ports?.find(({ name, port }) => name === 'http' || port === 80);

/** The pods behind the controller's Service, and the tag of their image. */
async function controllerPods(
  get: Get,
  service: V1Service | undefined,
): Promise<Pick<FoundIngress, 'pods'> & { version: string | undefined }> {
  const selector = Object.entries(service?.spec?.selector ?? {}).map(([name, value]) => `${name}=${value}`);
  const namespace = service?.metadata?.namespace ?? '';
  if (selector.length === 0) return { pods: [], version: undefined };
  const text = await get(`/api/v1/namespaces/${namespace}/pods`, { labelSelector: selector.join(',') });
  const { items } = JSON.parse(text) as V1PodList;
  return {
    pods: items.map((pod) => ({ namespace, name: nameOf(pod), node: pod.spec?.nodeName ?? '' })),
    version: imageTag(items[0]?.spec?.containers[0]?.image),
  };
}

type GatewayClass = KubernetesObject & {
  readonly spec?: { readonly controllerName?: string };
  readonly status?: { readonly conditions?: readonly V1Condition[] };
};

async function findGatewayClass(
  get: Get,
  groups: ServedGroups,
  chosen: string | undefined,
): Promise<Found<FoundGatewayClass>> {
  const served = groups.get(GATEWAY_API) ?? [];
  const version = GATEWAY_VERSIONS.find((one) => served.includes(one));
  if (version === undefined)
    return {
      why:
        served.length === 0
          ? `the CRDs of the Gateway API (${GATEWAY_API}) are not installed`
          : `${GATEWAY_API} is served as ${served.join(', ')} only, needed is ${GATEWAY_VERSIONS.join(' or ')}`,
    };
  const classes = await attempt(async () => {
    const text = await get(`/apis/${GATEWAY_API}/${version}/gatewayclasses`);
    return (JSON.parse(text) as KubernetesListObject<GatewayClass>).items;
  });
  if (typeof classes === 'string') return { why: `its GatewayClasses may not be read: ${classes}` };
  const usable = classes.filter((one) => isAccepted(one) && !NO_ENTRANCE.has(one.spec?.controllerName ?? ''));
  const asked = chosen === undefined ? usable : usable.filter((one) => nameOf(one) === chosen);
  const [taken, ...others] = asked;
  if (taken === undefined) {
    const found = classes.map(
      (one) => `${nameOf(one)} of ${one.spec?.controllerName}${isAccepted(one) ? '' : ', not accepted'}`,
    );
    const named = chosen === undefined ? '' : ` ${chosen}`;
    return {
      why: `the cluster has no GatewayClass${named} that a controller has accepted for traffic from outside (found: ${found.join('; ') || 'none'})`,
    };
  }
  if (others.length > 0)
    return {
      why: `the cluster has several GatewayClasses (${asked.map(nameOf).join(', ')}): choose with --gateway-class`,
    };
  return { there: { className: nameOf(taken), controller: taken.spec?.controllerName ?? '', version } };
}

const isAccepted = ({ status }: GatewayClass) =>
  status?.conditions?.some(({ type, status: holds }) => type === 'Accepted' && holds === 'True') ?? false;

/** What was read, or why it could not be. */
async function attempt<T extends object>(read: () => Promise<T>): Promise<T | string> {
  try {
    return await read();
  } catch (error) {
    return (error as Error).message;
  }
}

const nameOf = ({ metadata }: KubernetesObject) => metadata?.name ?? '';

/**
 * What of this cluster an implementation's cells go by: its ingress-nginx, or the GatewayClass of any controller, which
 * stands for the implementation that it is; of a controller that the table does not hold, for each.
 */
function standingFor(hops: FoundHops, name: ProxyName): Found<unknown> {
  const { api, title, controller } = PROXIES[name];
  if (api === 'gateway-api') {
    const { gatewayApi } = hops;
    if (!('there' in gatewayApi)) return gatewayApi;
    const actual = PROXY_NAMES.find((other) => PROXIES[other].controller === gatewayApi.there.controller);
    return actual === undefined || actual === name
      ? gatewayApi
      : { why: `its GatewayClass is of ${PROXIES[actual].title}: choose --ingress ${actual}` };
  }
  return controller === INGRESS_NGINX ? hops.ingress : { why: `${title} is not looked for on real clusters` };
}

/** The capabilities that a cluster has by what was found. */
export const hopsOffered = (hops: FoundHops): Capability[] => [
  ...PROXY_NAMES.filter((name) => 'there' in standingFor(hops, name)),
  ...('there' in hops.mesh ? (['mesh'] as const) : []),
];

/** Why a capability is not there; undefined where it is, or is none of these. */
export function hopLacked(hops: FoundHops, need: Capability): string | undefined {
  if (need === 'own-proxy') return 'its proxy is not released or reconfigured by a run';
  const found = need === 'mesh' ? hops.mesh : proxyNamed(need) && standingFor(hops, need as ProxyName);
  return found !== undefined && 'why' in found ? found.why : undefined;
}

/** In words, for reports; what is missing with its reason where `missing` is asked for. */
export function hopFacts({ ingress, gatewayApi, mesh }: FoundHops, missing = false): Record<string, string> {
  const told = <T>(name: string, found: Found<T>, words: (there: T) => string): [string, string][] =>
    'there' in found ? [[name, words(found.there)]] : missing ? [[name, `none: ${found.why}`]] : [];
  return Object.fromEntries([
    ...told(
      'ingress controller',
      ingress,
      ({ className, version, service }) =>
        `ingress-nginx ${version ?? '(version not readable)'}, class ${className}, ${
          service === undefined
            ? 'reached by what it writes into the Ingress'
            : `Service ${service.metadata?.namespace}/${service.metadata?.name}`
        }; its worker-shutdown-timeout and other settings are the cluster's own`,
    ),
    ...told(
      'Gateway API',
      gatewayApi,
      ({ className, controller, version }) =>
        `${version}, GatewayClass ${className} of ${controller}; its timings are the cluster's own`,
    ),
    ...told(
      'service mesh',
      mesh,
      ({ version, api, labels }) =>
        `Istio ${version ?? '(version not readable)'}, ${api}, injects where ${Object.entries(labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(',')}; its drain times are the cluster's own`,
    ),
  ]);
}
