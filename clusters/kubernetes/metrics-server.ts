import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { KubeError, NotReachedError } from '../../harness/errors.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import { ADMIN_PORT } from '../../harness/workload/workload.ts';
import type { ApiConnection } from './api/api-connection.ts';
import {
  answerMetrics,
  cpuByPod,
  METRICS_GROUPS,
  type PodSample,
  type StatsSummary,
  WINDOW_SECONDS,
} from './api/metrics-api.ts';
import type { KubernetesCluster } from './kubernetes-cluster.ts';
import { leaseHolder } from './lease/lease.ts';
import { MANAGED_BY } from './lease/names.ts';
import { wallTime } from './lease/wall-time.ts';

/** The Service by which the API server reaches this process. */
const SERVICE = 'onedrop-metrics';

/** How long the API server may take to find the new groups usable. */
const AVAILABLE_WITHIN: Millis = 60_000;

/** What the server is reached by, and shows to the API server. */
export interface MetricsServerOptions {
  /** This process's address as the API server reaches it. */
  readonly host: string;
  /** PEM. The certificate must name `onedrop-metrics.<namespace>.svc`. */
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

/** The name that a certificate for a namespace's metrics server must have. */
export const metricsServerName = (namespace: string): string => `${SERVICE}.${namespace}.svc`;

/**
 * metrics-server and an external metrics adapter for clusters that have neither and belong to onedrop: this process
 * answers both groups of the aggregated API, from the kubelets' own CPU figures and the gateways' own count of
 * connections, measured every 15 s as metrics-server does.
 */
export class MetricsServer implements AsyncDisposable {
  private readonly cluster: KubernetesCluster;
  private readonly options: MetricsServerOptions;
  private readonly clock: Clock;
  private readonly server: Server;
  private samples: readonly PodSample[] = [];
  private timer: Disposable | undefined;
  private ended = false;

  private constructor(cluster: KubernetesCluster, options: MetricsServerOptions) {
    this.cluster = cluster;
    this.options = options;
    this.clock = cluster.clock;
    this.server = createServer({ key: options.key, cert: options.certificate }, (request, response) => {
      const url = new URL(request.url ?? '/', 'https://metrics');
      const answer = answerMetrics(url.pathname, url.searchParams, cluster.kube.namespace, this.samples);
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(answer ?? { kind: 'Status', status: 'Failure', code: 404, reason: 'NotFound' }),
      );
    });
  }

  /** @throws NotReachedError when the API server cannot reach this process. */
  static async start(cluster: KubernetesCluster, options: MetricsServerOptions): Promise<MetricsServer> {
    const server = new MetricsServer(cluster, options);
    try {
      await server.listen();
      await server.register();
      server.measureAndAgain();
      await server.available();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** The groups first: a namespace cannot be removed while a group that exists does not answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.ended = true;
    this.timer?.[Symbol.dispose]();
    for (const groupVersion of METRICS_GROUPS) await this.unregister(groupVersion);
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, () => resolve());
    });
    this.server.unref();
  }

  private async register(): Promise<void> {
    const { connection, namespace } = this.cluster.kube;
    const { port } = this.server.address() as AddressInfo;
    const create = (path: string, object: object) =>
      connection.request('POST', path, { body: JSON.stringify(object) });
    const metadata = { name: SERVICE, labels: MANAGED_BY };
    await create(`/api/v1/namespaces/${namespace}/services`, {
      metadata,
      spec: { ports: [{ port: 443, targetPort: port, protocol: 'TCP' }] },
    });
    await create(`/api/v1/namespaces/${namespace}/endpoints`, {
      metadata,
      subsets: [{ addresses: [{ ip: this.options.host }], ports: [{ port, protocol: 'TCP' }] }],
    });
    // What the autoscaler's controller may read by itself are resource metrics only.
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    await create(`${rbac}/roles`, {
      metadata,
      rules: [{ apiGroups: ['external.metrics.k8s.io'], resources: ['*'], verbs: ['get', 'list'] }],
    });
    await create(`${rbac}/rolebindings`, {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: SERVICE },
      subjects: [{ kind: 'ServiceAccount', name: 'horizontal-pod-autoscaler', namespace: 'kube-system' }],
    });
    for (const groupVersion of METRICS_GROUPS) {
      const [group, version] = groupVersion.split('/') as [string, string];
      await create(API_SERVICES, {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: `${version}.${group}`, labels: MANAGED_BY },
        spec: {
          group,
          version,
          service: { name: SERVICE, namespace, port: 443 },
          caBundle: Buffer.from(this.options.authority).toString('base64'),
          groupPriorityMinimum: 100,
          versionPriority: 100,
        },
      });
    }
  }

  private async unregister(groupVersion: string): Promise<void> {
    const [group, version] = groupVersion.split('/') as [string, string];
    const path = `${API_SERVICES}/${version}.${group}`;
    await this.cluster.kube.connection
      .deaf()
      .request('DELETE', path)
      .catch((error) => {
        if (!(error instanceof KubeError && error.reason === 'NotFound')) throw error;
      });
  }

  private async available(): Promise<void> {
    const deadline = this.clock.now() + AVAILABLE_WITHIN;
    for (;;) {
      const conditions = await Promise.all(
        METRICS_GROUPS.map((groupVersion) => this.availability(groupVersion)),
      );
      const [missing] = conditions.filter((message) => message !== undefined);
      if (missing === undefined) return;
      if (this.clock.now() > deadline)
        throw new NotReachedError(
          `The API server does not reach the metrics that this process serves at ${this.options.host}, not within ${formatDuration(AVAILABLE_WITHIN)}: ${missing}`,
        );
      await this.clock.sleep(500, this.cluster.signal);
    }
  }

  /** Why a group is not available, in the API server's words; undefined when it is. */
  private async availability(groupVersion: string): Promise<string | undefined> {
    const [group, version] = groupVersion.split('/') as [string, string];
    const text = await this.cluster.kube.connection.request('GET', `${API_SERVICES}/${version}.${group}`);
    const { status } = JSON.parse(text) as {
      status?: { conditions?: { type: string; status: string; message?: string }[] };
    };
    const condition = status?.conditions?.find(({ type }) => type === 'Available');
    return condition?.status === 'True' ? undefined : (condition?.message ?? 'not looked at yet');
  }

  private measureAndAgain(): void {
    const begun = this.clock.now();
    this.measure()
      // What cannot be measured now is measured next time; an autoscaler knows missing samples.
      .catch(() => {})
      .finally(() => {
        if (this.ended) return;
        const left = WINDOW_SECONDS * 1000 - (this.clock.now() - begun);
        this.timer = this.clock.after(left, () => this.measureAndAgain());
      });
  }

  private async measure(): Promise<void> {
    const { observer, kube } = this.cluster;
    const get = (path: string) => kube.connection.request('GET', path, { once: true });
    const nodes = observer.all('Node').map(({ metadata }) => metadata?.name ?? '');
    const summaries = await Promise.all(
      nodes.map(async (node) =>
        cpuByPod(
          JSON.parse(await get(`/api/v1/nodes/${node}/proxy/stats/summary`)) as StatsSummary,
          kube.namespace,
        ),
      ),
    );
    const cpu = new Map(summaries.flatMap((summary) => [...summary]));
    const pods = observer.all('Pod').filter(({ metadata }) => metadata?.labels?.app === 'gateway');
    this.samples = await Promise.all(
      pods.map(async ({ metadata }) => {
        const name = metadata?.name ?? '';
        const path = `/api/v1/namespaces/${kube.namespace}/pods/${name}:${ADMIN_PORT}/proxy/connections`;
        const connections = await get(path).then(
          (text) => (JSON.parse(text) as { connections: number }).connections,
          () => undefined,
        );
        const used = cpu.get(name);
        return {
          name,
          labels: metadata?.labels ?? {},
          at: wallTime().toISOString(),
          ...(used === undefined ? {} : { cpu: used }),
          ...(connections === undefined ? {} : { connections }),
        };
      }),
    );
  }
}

const API_SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';

/** Takes out what a killed run left: as long as a group that exists does not answer, no namespace can be removed. */
export async function sweepMetricsGroups(connection: ApiConnection): Promise<void> {
  const [[label, value]] = Object.entries(MANAGED_BY) as [[string, string]];
  const query = { labelSelector: `${label}=${value}` };
  const { items } = JSON.parse(await connection.request('GET', API_SERVICES, { query })) as {
    items: { metadata: { name: string }; spec: { service?: { namespace: string } } }[];
  };
  for (const { metadata, spec } of items)
    if ((await leaseHolder(spec.service?.namespace ?? '')) !== 'alive')
      await connection.request('DELETE', `${API_SERVICES}/${metadata.name}`);
}
