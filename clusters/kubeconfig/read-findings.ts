import type {
  V1DaemonSetList,
  V1EndpointSlice,
  V1EndpointSliceList,
  V1NodeList,
  V1PodList,
  V1Service,
  V1ServiceList,
  VersionInfo,
} from '@kubernetes/client-node';
import type { Get } from '../kubernetes/api/api-connection.ts';
import { normalise, servedGroups, servedVersion } from '../kubernetes/api/api-versions.ts';
import { proxyModeOf } from '../kubernetes/api/cluster-facts.ts';
import type { Findings, Subject } from './findings.ts';

const SYSTEM = '/namespaces/kube-system';
/** kube-proxy's metrics port, which tells its mode. */
const PROXY_PORT = 10249;

/** Reads what decides; what may not be read is left out and said so. */
export async function readFindings(get: Get): Promise<Findings> {
  const version = JSON.parse(await get('/version')) as VersionInfo;
  const { items: nodes } = JSON.parse(await get('/api/v1/nodes')) as V1NodeList;
  const services = await readServices(get).catch(() => []);
  return {
    version: version.gitVersion,
    nodes,
    ...(await agents(get).catch(() => ({ agents: undefined }))),
    proxyMode: await proxyMode(get, nodes[0]?.metadata?.name ?? ''),
    balanced: services.flatMap(({ status }) =>
      (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []),
    ),
  };
}

/** GKE runs kube-proxy as static pods, which no DaemonSet owns. */
async function agents(get: Get): Promise<Pick<Findings, 'agents' | 'ciliumImage'>> {
  const sets = JSON.parse(await get(`/apis/apps/v1${SYSTEM}/daemonsets`)) as V1DaemonSetList;
  const pods = JSON.parse(await get(`/api/v1${SYSTEM}/pods`)) as V1PodList;
  const cilium = sets.items.find(({ metadata }) => ['anetd', 'cilium'].includes(metadata?.name ?? ''));
  const containers = cilium?.spec?.template.spec?.containers ?? [];
  return {
    agents: [...sets.items, ...pods.items].flatMap(({ metadata }) => metadata?.name ?? []),
    // Beside the agent there may be others, such as a relay of its metrics.
    ciliumImage: (containers.find(({ name }) => name === 'cilium-agent') ?? containers[0])?.image,
  };
}

/** From the configuration that kubeadm and kind keep, or else from a kube-proxy itself. */
async function proxyMode(get: Get, node: string): Promise<string | undefined> {
  try {
    const { data } = JSON.parse(await get(`/api/v1${SYSTEM}/configmaps/kube-proxy`)) as {
      data?: Record<string, string>;
    };
    return proxyModeOf(data?.['config.conf'] ?? '');
  } catch {
    const said = await get(`/api/v1/nodes/${node}:${PROXY_PORT}/proxy/proxyMode`).catch(() => '');
    return /^(iptables|ipvs|nftables)$/.exec(said.trim())?.[0];
  }
}

async function readServices(get: Get, namespace?: string): Promise<V1Service[]> {
  const path = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return (JSON.parse(await get(`/api/v1${path}/services`)) as V1ServiceList).items;
}

/** Services of type LoadBalancer, in the order of their names. */
export const readBalancedServices = async (get: Get, namespace?: string): Promise<V1Service[]> =>
  (await readServices(get, namespace)).filter(({ spec }) => spec?.type === 'LoadBalancer');

/** One Service with its endpoints. @throws KubeError NotFound. */
export async function readSubject(get: Get, namespace: string, name: string): Promise<Subject> {
  const service = JSON.parse(await get(`/api/v1/namespaces/${namespace}/services/${name}`)) as V1Service;
  const version = servedVersion('EndpointSlice', servedGroups(JSON.parse(await get('/apis'))));
  const list = JSON.parse(
    await get(`/apis/${version}/namespaces/${namespace}/endpointslices`, {
      labelSelector: `kubernetes.io/service-name=${name}`,
    }),
  ) as V1EndpointSliceList;
  const slices = list.items.map((item) =>
    normalise({ ...item, apiVersion: version } as V1EndpointSlice, 'EndpointSlice'),
  );
  return { service, slices };
}
