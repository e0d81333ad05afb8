import type {
  V1LabelSelector,
  V1MutatingWebhookConfigurationList,
  V1NamespaceList,
  V1PodList,
} from '@kubernetes/client-node';
import type { Labels } from '../../../harness/contracts/kube.ts';
import { INJECT_LABEL } from '../../../harness/workload/mesh-workload.ts';
import { selects } from '../../control-plane/store/objects.ts';
import type { Get } from '../api/api-connection.ts';
import type { ServedGroups } from '../api/api-versions.ts';
import { type Found, imageTag } from './found.ts';

/** Istio, or a mesh that is made of it. */
export interface FoundMesh {
  /** Labels that a namespace must have for pods in it to get a sidecar. */
  readonly labels: Labels;
  /** Such as `networking.istio.io/v1`. */
  readonly api: string;
  /** The tag of istiod's image. */
  readonly version?: string;
}

const ISTIO = 'networking.istio.io';
const ENABLED: Labels = { 'istio-injection': 'enabled' };
const REVISION = 'istio.io/rev';
/** How the webhooks of every injector end, those of revisions and of managed meshes included (istio manifests/charts/istio-control/istio-discovery). */
const INJECTOR = /(^|\.)sidecar-injector\.istio\.io$/;
/** What a pod of ours says of itself. */
const POD: Labels = { [INJECT_LABEL]: 'true' };

/** Istio by its CRDs, with an injector that would give our pods a sidecar. */
export async function findMesh(get: Get, groups: ServedGroups): Promise<Found<FoundMesh>> {
  const [api] = groups.get(ISTIO) ?? [];
  if (api === undefined) return { why: `Istio's CRDs (${ISTIO}) are not installed` };
  const labels =
    (await byWebhooks(get).catch(() => undefined)) ?? (await byNamespaces(get).catch(() => undefined));
  if (labels === undefined)
    return {
      why: "Istio's CRDs are installed, but no sidecar injector was found: no MutatingWebhookConfiguration that may be read and no namespace labelled istio-injection=enabled or istio.io/rev",
    };
  const version = await istiodVersion(get).catch(() => undefined);
  return { there: { labels, api: `${ISTIO}/${api}`, ...(version === undefined ? {} : { version }) } };
}

interface Injector {
  readonly namespaces: V1LabelSelector | undefined;
  readonly objects: V1LabelSelector | undefined;
}

/** The labels by which the injectors' own selectors would take a namespace of ours. */
async function byWebhooks(get: Get): Promise<Labels | undefined> {
  const text = await get('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations');
  const injectors = (JSON.parse(text) as V1MutatingWebhookConfigurationList).items
    .flatMap(({ webhooks = [] }) => webhooks)
    .filter(({ name }) => INJECTOR.test(name))
    .map(
      ({ namespaceSelector, objectSelector }): Injector => ({
        namespaces: namespaceSelector,
        objects: objectSelector,
      }),
    );
  const revisions = injectors
    .flatMap(({ namespaces }) => namespaces?.matchExpressions ?? [])
    .filter(({ key, operator }) => key === REVISION && operator === 'In')
    .flatMap(({ values = [] }) => values);
  const candidates: Labels[] = [
    ENABLED,
    ...[...new Set(revisions)].sort().map((revision) => ({ [REVISION]: revision })),
  ];
  return candidates.find((labels) =>
    injectors.some(
      ({ namespaces, objects }) => selects(namespaces ?? {}, labels) && selects(objects ?? {}, POD),
    ),
  );
}

/** What others do whose namespaces are in the mesh. */
async function byNamespaces(get: Get): Promise<Labels | undefined> {
  const { items } = JSON.parse(await get('/api/v1/namespaces')) as V1NamespaceList;
  const labels = items.map(({ metadata }) => metadata?.labels ?? {});
  if (labels.some((each) => each['istio-injection'] === 'enabled')) return ENABLED;
  const revision = labels.map((each) => each[REVISION]).find((each) => each !== undefined);
  return revision === undefined ? undefined : { [REVISION]: revision };
}

async function istiodVersion(get: Get): Promise<string | undefined> {
  const text = await get('/api/v1/namespaces/istio-system/pods', { labelSelector: 'app=istiod' });
  return imageTag((JSON.parse(text) as V1PodList).items[0]?.spec?.containers[0]?.image);
}
