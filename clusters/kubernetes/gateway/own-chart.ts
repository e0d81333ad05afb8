import type {
  KubernetesObject,
  V1Container,
  V1Deployment,
  V1PodSpec,
  V1PodTemplateSpec,
} from '@kubernetes/client-node';
import type { Config } from '../../../harness/contracts/config.ts';
import type { PodTemplates, Version } from '../../../harness/contracts/workload.ts';
import { UsageError } from '../../../harness/errors.ts';
import { isGateway } from '../../../harness/workload/workload.ts';
import { withGateway } from './chart-containers.ts';

/** What a chart, rendered for both versions, gives a run. */
export interface OwnChart {
  readonly templates: PodTemplates;
  /** What the pods need, to be applied before them. */
  readonly needs: readonly KubernetesObject[];
  /** What of the chart is not used, and why. */
  readonly notes: readonly string[];
}

export type Rendered = Readonly<Record<Version, readonly KubernetesObject[]>>;

const VERSIONS: readonly Version[] = ['v1', 'v2'];
/** What pods may need; applied before them. */
const NEEDED = ['ConfigMap', 'Secret', 'ServiceAccount'];
/** What the run has in its own form, by strategy and axes. */
const LEFT_OUT = ['Service', 'Ingress', 'HTTPRoute', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'];
const ALLOWED = `one Deployment with what its pods need (${NEEDED.join(', ')}); left out are ${LEFT_OUT.join(', ')} and hooks`;

/**
 * The gateway's pods and what they need, of a chart as helm rendered it into `namespace`.
 * @throws UsageError naming everything in it that a run has no place for.
 */
export function ownChart(rendered: Rendered, { gateway }: Config, namespace: string): OwnChart {
  const mistakes: Record<Version, string[]> = { v1: [], v2: [] };
  const templates = {} as Record<Version, V1PodTemplateSpec>;
  const needs: KubernetesObject[] = [];
  const notes = new Set<string>();
  for (const version of VERSIONS) {
    const wrong = (what: string) => void mistakes[version].push(what);
    const { deployment, needed, leftOut } = sorted(rendered[version], namespace, wrong);
    needs.push(...needed);
    if (leftOut.length > 0)
      notes.add(`left out of the chart, because the run has its own: ${names(leftOut)}`);
    const template = deployment?.spec?.template;
    if (template?.spec == null) continue;
    for (const missing of missingOf(template.spec, needed)) wrong(missing);
    const containers = withGateway(template.spec.containers, gateway, version);
    if (typeof containers === 'string') {
      wrong(containers);
      continue;
    }
    templates[version] = { ...template, spec: { ...template.spec, containers } };
    const replaced = replacedIn(deployment, containers.find(isGateway));
    if (replaced.length > 0) notes.add(`in place of the chart's own: ${replaced.join(', ')}`);
  }
  const told = [...ofBoth(mistakes), ...contradictions(needs)];
  if (told.length > 0) throw new UsageError(told);
  return { templates, needs: unique(needs), notes: [...notes] };
}

/** Sorts what helm rendered for one version. */
function sorted(objects: readonly KubernetesObject[], namespace: string, wrong: (what: string) => void) {
  const isHook = ({ metadata }: KubernetesObject) => metadata?.annotations?.['helm.sh/hook'] !== undefined;
  const leftOut = objects.filter((object) => isHook(object) || LEFT_OUT.includes(object.kind ?? ''));
  const used = objects.filter((object) => !leftOut.includes(object));
  const deployments = used.filter(({ kind }) => kind === 'Deployment');
  const needed = used.filter(({ kind }) => NEEDED.includes(kind ?? ''));
  const others = used.filter((object) => !deployments.includes(object) && !needed.includes(object));
  if (deployments.length !== 1)
    wrong(
      deployments.length === 0
        ? `renders no Deployment, but ${objects.length === 0 ? 'nothing' : names(objects)}; the pods of one are the gateway's`
        : `renders ${names(deployments)}; turn all but the gateway's Deployment off by its values`,
    );
  if (others.length > 0)
    wrong(`renders ${names(others)}; turn that off by its values (allowed is ${ALLOWED})`);
  const elsewhere = needed.filter(({ metadata }) => (metadata?.namespace ?? namespace) !== namespace);
  if (elsewhere.length > 0)
    wrong(
      `puts ${names(elsewhere)} into a namespace of its own choice; each cell has its own: leave metadata.namespace out, or use .Release.Namespace`,
    );
  const deployment = deployments[0] as V1Deployment | undefined;
  return { deployment, needed, leftOut };
}

/** What the axes decide whatever the chart says. */
function replacedIn(deployment: V1Deployment | undefined, gateway: V1Container | undefined): string[] {
  const pod = deployment?.spec?.template.spec;
  return [
    ...(deployment?.spec?.replicas == null ? [] : ['replicas (--pods)']),
    ...(deployment?.spec?.strategy == null ? [] : ['strategy (--max-surge, --max-unavailable)']),
    ...(pod?.terminationGracePeriodSeconds == null ? [] : ['terminationGracePeriodSeconds (--grace)']),
    ...(gateway?.lifecycle?.preStop == null ? [] : ['preStop (--pre-stop)']),
  ];
}

/** The field that refers to an object, and its kind. */
const REFERENCES: Readonly<Record<string, string>> = {
  configMap: 'ConfigMap',
  configMapRef: 'ConfigMap',
  configMapKeyRef: 'ConfigMap',
  secret: 'Secret',
  secretRef: 'Secret',
  secretKeyRef: 'Secret',
  persistentVolumeClaim: 'PersistentVolumeClaim',
};
/** What every namespace has. */
const GIVEN = ['ConfigMap kube-root-ca.crt', 'ServiceAccount default'];

/** Objects without which the pods would not start and that nobody makes. */
function missingOf(pod: V1PodSpec, made: readonly KubernetesObject[]): string[] {
  const wanted: string[] = [`ServiceAccount ${pod.serviceAccountName || 'default'}`];
  const containers = [...pod.containers, ...(pod.initContainers ?? [])];
  JSON.stringify(
    [pod.volumes, containers.map(({ env, envFrom }) => [env, envFrom])],
    (key, value: { name?: string; secretName?: string; claimName?: string; optional?: boolean } | null) => {
      const kind = REFERENCES[key];
      const name = value?.secretName ?? value?.claimName ?? value?.name;
      if (kind !== undefined && name !== undefined && value?.optional !== true)
        wanted.push(`${kind} ${name}`);
      return value;
    },
  );
  const there = [...GIVEN, ...made.map(title)];
  const missing = [...new Set(wanted)].filter((one) => !there.includes(one));
  return missing.length === 0
    ? []
    : [`its pods need ${missing.join(', ')}, and a cell's namespace holds only what the chart makes`];
}

const title = ({ kind, metadata }: KubernetesObject) => `${kind} ${metadata?.name ?? ''}`.trimEnd();
const names = (objects: readonly KubernetesObject[]) => objects.map(title).join(', ');

/** The same mistake of both versions is told once. */
const ofBoth = ({ v1, v2 }: Record<Version, string[]>): string[] => [
  ...v1.map((what) => (v2.includes(what) ? `gateway.chart: ${what}` : `gateway.chart (v1): ${what}`)),
  ...v2.filter((what) => !v1.includes(what)).map((what) => `gateway.chart (v2): ${what}`),
];

/** What an object says beside its labels and annotations, in which the release's name may stand. */
const content = ({ metadata, ...rest }: KubernetesObject) =>
  JSON.stringify({ ...rest, name: metadata?.name });

/** Both versions run side by side in one namespace: what differs needs two names. */
function contradictions(needs: readonly KubernetesObject[]): string[] {
  const first = new Map<string, KubernetesObject>();
  const differing = needs.filter((object) => {
    const before = first.get(title(object));
    if (before === undefined) first.set(title(object), object);
    return before !== undefined && content(before) !== content(object);
  });
  return differing.length === 0
    ? []
    : [
        `gateway.chart: renders ${names(differing)} differently for v1 and v2, which run side by side; put .Release.Name into its name, or give both the same values`,
      ];
}

const unique = (objects: readonly KubernetesObject[]): KubernetesObject[] => [
  ...new Map(objects.map((object) => [title(object), object])).values(),
];

/** The images that the user's own gateway runs, each once. */
export function ownImages({ gateway: { image } }: Config, chart: OwnChart | undefined): string[] {
  const images =
    chart === undefined
      ? typeof image === 'object'
        ? [image.v1, image.v2]
        : [image]
      : Object.values(chart.templates).flatMap(({ spec }) =>
          [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => container.image),
        );
  return [...new Set(images.filter((one) => one !== undefined))];
}
