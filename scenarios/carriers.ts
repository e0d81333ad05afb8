import type { KubernetesObject, V1Pod } from '@kubernetes/client-node';
import type { Stage } from '../harness/contracts/scenario.ts';
import type { Millis } from '../harness/time/duration.ts';

/** From the loss of a pod's node to a pod in its place: the API finds out, tolerates it for 300 s, and starts another. */
const REPLACED_WITHIN: Millis = 600_000;

export const nameOf = ({ metadata }: KubernetesObject): string => metadata?.name ?? '';

export const isOn =
  (node: string) =>
  ({ spec }: V1Pod): boolean =>
    spec?.nodeName === node;

/** The node that carries most of v1, of several the first by name. */
export async function carrier(stage: Stage): Promise<string> {
  const pods = await stage.pods('v1');
  // The pod of the control clients, where it is among the others: a fault of theirs would be taken for the harness's.
  const control = await stage.kube.list('Pod', { app: 'control' });
  const count = (of: readonly V1Pod[], node: string) => of.filter(isOn(node)).length;
  return (
    [...new Set(pods.map(({ spec }) => spec?.nodeName ?? ''))]
      .sort()
      .sort(
        (one, other) => count(control, one) - count(control, other) || count(pods, other) - count(pods, one),
      )[0] ?? ''
  );
}

/** How many pods of v1 serve. */
export async function ready(stage: Stage): Promise<number> {
  const nodes = new Set((await stage.kube.list('Node')).map(nameOf));
  return (await stage.pods('v1')).filter(
    ({ spec, status }) =>
      nodes.has(spec?.nodeName ?? '') &&
      status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True'),
  ).length;
}

/** Waits until as many pods serve as before, where a node is left that takes them. */
export async function replaced(stage: Stage, wanted: number): Promise<void> {
  const left = (await stage.kube.list('Node')).filter(
    ({ spec, status }) =>
      spec?.unschedulable !== true &&
      status?.conditions?.some(({ type, status: state }) => type === 'Ready' && state === 'True'),
  );
  if (left.length === 0) return;
  await stage.step('the pods are there again', () =>
    stage.until('as many pods serve as before', async () => (await ready(stage)) >= wanted, REPLACED_WITHIN),
  );
}
