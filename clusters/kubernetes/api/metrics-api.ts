import type { Labels } from '../../../harness/contracts/kube.ts';

/** What is known of one pod when metrics are asked for. */
export interface PodSample {
  readonly name: string;
  readonly labels: Labels;
  /** When it was measured, ISO 8601. */
  readonly at: string;
  /** Processor time over the window, in billionths of a core, by container; undefined while the kubelet has none. */
  readonly cpu?: Readonly<Record<string, number>>;
  /** Open connections, in the gateway's own words; undefined where it does not answer. */
  readonly connections?: number;
}

/** How often pods are measured, in seconds: metrics-server's own default resolution. */
export const WINDOW_SECONDS = 15;

/** The one external metric: the open connections of all pods whose labels match. */
const CONNECTIONS = 'connections';

const RESOURCE_METRICS = 'metrics.k8s.io/v1beta1';
const EXTERNAL_METRICS = 'external.metrics.k8s.io/v1beta1';

/** The API groups that are answered, as `APIService` objects name them. */
export const METRICS_GROUPS = [RESOURCE_METRICS, EXTERNAL_METRICS] as const;

const resources = (groupVersion: string, list: readonly object[]) => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion,
  resources: list,
});

/** What an aggregated API server answers to a GET, as far as the HorizontalPodAutoscaler asks; undefined: not found. */
export function answerMetrics(
  path: string,
  query: URLSearchParams,
  namespace: string,
  samples: readonly PodSample[],
): object | undefined {
  const wanted = samples.filter(({ labels }) => matches(labels, query.get('labelSelector') ?? ''));
  switch (path) {
    case `/apis/${RESOURCE_METRICS}`:
      return resources(RESOURCE_METRICS, [
        { name: 'pods', namespaced: true, kind: 'PodMetrics', verbs: ['get', 'list'] },
      ]);
    case `/apis/${EXTERNAL_METRICS}`:
      return resources(EXTERNAL_METRICS, [
        { name: CONNECTIONS, namespaced: true, kind: 'ExternalMetricValueList', verbs: ['get'] },
      ]);
    case `/apis/${RESOURCE_METRICS}/namespaces/${namespace}/pods`:
      return {
        kind: 'PodMetricsList',
        apiVersion: RESOURCE_METRICS,
        metadata: {},
        items: wanted.flatMap((sample) => podMetrics(namespace, sample)),
      };
    case `/apis/${EXTERNAL_METRICS}/namespaces/${namespace}/${CONNECTIONS}`: {
      const known = wanted.flatMap(({ connections }) => connections ?? []);
      return {
        kind: 'ExternalMetricValueList',
        apiVersion: EXTERNAL_METRICS,
        metadata: {},
        items: [
          {
            metricName: CONNECTIONS,
            metricLabels: {},
            timestamp: wanted.map(({ at }) => at).sort()[0] ?? null,
            value: String(known.reduce((sum, one) => sum + one, 0)),
          },
        ],
      };
    }
  }
  return undefined;
}

function podMetrics(namespace: string, { name, labels, at, cpu }: PodSample): object[] {
  if (cpu === undefined) return [];
  return [
    {
      metadata: { name, namespace, labels },
      timestamp: at,
      window: `${WINDOW_SECONDS}s`,
      containers: Object.entries(cpu).map(([container, used]) => ({
        name: container,
        usage: { cpu: `${Math.round(used)}n`, memory: '0' },
      })),
    },
  ];
}

/** Equality and set membership, as far as the autoscaler writes selectors: `app=gateway,release in (a,b)`. */
export function matches(labels: Labels, selector: string): boolean {
  const terms = selector.match(/[^,(]+(\([^)]*\))?/g) ?? [];
  return terms.every((term) => {
    const [, name, values] = /^\s*([^\s=]+)\s+in\s+\(([^)]*)\)\s*$/.exec(term) ?? [];
    if (name !== undefined && values !== undefined)
      return values.split(',').some((value) => labels[name] === value.trim());
    const [, key, value] = /^\s*([^\s=]+)\s*==?\s*(\S*)\s*$/.exec(term) ?? [];
    return key !== undefined && labels[key] === value;
  });
}

/** A kubelet's `/stats/summary`, as far as it is read here. */
export interface StatsSummary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly containers?: readonly {
      readonly name: string;
      readonly cpu?: { readonly usageNanoCores?: number };
    }[];
  }[];
}

/** Processor time by pod and container, of one namespace. */
export function cpuByPod(
  summary: StatsSummary,
  namespace: string,
): Map<string, Readonly<Record<string, number>>> {
  const known = new Map<string, Readonly<Record<string, number>>>();
  for (const { podRef, containers = [] } of summary.pods) {
    const used = containers.flatMap(({ name, cpu }) =>
      cpu?.usageNanoCores === undefined ? [] : [[name, cpu.usageNanoCores] as const],
    );
    if (podRef.namespace === namespace && used.length > 0) known.set(podRef.name, Object.fromEntries(used));
  }
  return known;
}
