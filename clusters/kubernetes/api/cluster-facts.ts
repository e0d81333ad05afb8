import type { VersionInfo } from '@kubernetes/client-node';
import type { KubeClient } from './kube-client.ts';

/** Facts about a cluster that anybody who may use it can see; what may not be read is left out. */
export async function clusterFacts(kube: KubeClient): Promise<Record<string, string>> {
  const version = JSON.parse(await kube.connection.request('GET', '/version')) as VersionInfo;
  const nodes = await kube.list('Node');
  const of = (read: (node: (typeof nodes)[number]) => string | undefined) =>
    [...new Set(nodes.map((node) => read(node) ?? 'unknown'))].join(', ');
  const info = (name: 'kubeletVersion' | 'kernelVersion' | 'osImage' | 'containerRuntimeVersion') =>
    of(({ status }) => status?.nodeInfo?.[name]);
  return {
    kubernetes: version.gitVersion,
    nodes: String(nodes.length),
    zones: of(({ metadata }) => metadata?.labels?.['topology.kubernetes.io/zone'] ?? 'none'),
    kubelet: info('kubeletVersion'),
    kernel: info('kernelVersion'),
    os: info('osImage'),
    containerRuntime: info('containerRuntimeVersion'),
    dataplane: await dataplane(kube),
    timings: TIMINGS,
  };
}

/** Whose doing the moments of a run on a real cluster are; each provider tells its balancer's. */
const TIMINGS =
  "real; the cluster's own are scheduling, start and end of pods, the reactions of kubelet, controllers and dataplane, TCP and conntrack (probes at the intervals that Kubernetes or the chart sets); chosen for the run are back-off, heartbeat, the times of the drain and of the steps, grace period and preStop";

/** Which agents turn Services into rules on the nodes, from the DaemonSets of kube-system. */
async function dataplane(kube: KubeClient): Promise<string> {
  try {
    const text = await kube.connection.request('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets');
    const names = (JSON.parse(text) as { items: { metadata: { name: string } }[] }).items.map(
      ({ metadata }) => metadata.name,
    );
    return dataplaneOf(names, await proxyMode(kube));
  } catch {
    return 'unknown (kube-system may not be read)';
  }
}

async function proxyMode(kube: KubeClient): Promise<string | undefined> {
  try {
    const text = await kube.connection.request('GET', '/api/v1/namespaces/kube-system/configmaps/kube-proxy');
    const { data } = JSON.parse(text) as { data?: Record<string, string> };
    return proxyModeOf(data?.['config.conf'] ?? '');
  } catch {
    return undefined;
  }
}

/** kube-proxy's mode in its configuration file; the empty string there means iptables. */
export function proxyModeOf(configuration: string): string {
  const mode = /^mode: *"?([a-z]*)"?/m.exec(configuration)?.[1];
  return mode || 'iptables';
}

/** In words, from the names of the DaemonSets in kube-system: GKE runs `anetd` for Dataplane V2, kube-proxy as static pods. */
export function dataplaneOf(daemonSets: readonly string[], mode: string | undefined): string {
  if (daemonSets.includes('anetd')) return 'Dataplane V2 (anetd)';
  if (daemonSets.includes('kube-proxy')) return `kube-proxy, ${mode ?? 'mode unknown'}`;
  if (daemonSets.includes('cilium')) return 'Cilium without kube-proxy';
  return 'kube-proxy outside of DaemonSets, mode unknown';
}
