import type { V1Endpoint, V1EndpointSlice, V1Node, V1Service } from '@kubernetes/client-node';
import type { Members } from '../../../harness/platforms/balancer-entry.ts';
import { isNodeExcluded, isNodeLeaving, isNodeReady } from '../controllers/scheduler.ts';
import { nameOf } from '../store/objects.ts';

/** A backend-to-be: a node, or a pod where the balancer sends to pods. */
export interface Member {
  readonly name: string;
  readonly node: string;
  readonly pod?: { readonly address: string; readonly port: number };
}

/** What of the cluster decides who is a member. */
export interface Surroundings {
  readonly nodes: readonly V1Node[];
  /** The Service's own. */
  readonly slices: readonly V1EndpointSlice[];
  /** StableLoadBalancerNodeSet (KEP-3458): the service controller leaves readiness to the health checks. */
  readonly stableNodeSet: boolean;
}

/** Karpenter's taint on a node that it is about to remove (kubernetes-sigs/karpenter pkg/apis/v1/taints.go). */
const DISRUPTED = 'karpenter.sh/disrupted';

/** The members of a balancer for one port of a Service, in the order of the API. */
export function membersOf(
  rule: Members,
  service: V1Service,
  { port, around }: { readonly port: number; readonly around: Surroundings },
): Member[] {
  const { slices, stableNodeSet } = around;
  const nodes = around.nodes.filter((node) => !isNodeExcluded(node));
  const staying = nodes.filter(
    (node) => !isNodeLeaving(node) && !node.spec?.taints?.some(({ key }) => key === DISRUPTED),
  );
  const on = (chosen: readonly V1Node[]): Member[] =>
    chosen.map((node) => ({ name: nameOf(node), node: nameOf(node) }));
  const carrying = (counts: (endpoint: V1Endpoint) => boolean) =>
    new Set(slices.flatMap(({ endpoints = [] }) => endpoints.filter(counts).map(({ nodeName }) => nodeName)));
  switch (rule) {
    case 'nodes':
      // stableNodeSetPredicates of k8s staging/src/k8s.io/cloud-provider/controllers/service/controller.go.
      return on(nodes.filter((node) => !isNodeLeaving(node) && (stableNodeSet || isNodeReady(node))));
    case 'untainted-nodes':
      return on(staying);
    case 'ready-nodes':
      return on(staying.filter(isNodeReady));
    case 'nodes-with-staying-endpoint': {
      const with_ = carrying(({ conditions }) => conditions?.terminating !== true);
      return on(staying.filter((node) => with_.has(nameOf(node))));
    }
    case 'nodes-with-serving-endpoint': {
      const with_ = carrying(isServing);
      return on(nodes.filter((node) => with_.has(nameOf(node))));
    }
    case 'nodes-while-serving':
      return carrying(isServing).size > 0 ? on(nodes) : [];
    case 'pods':
      return podsOf(service, slices, port);
  }
}

const isServing = ({ conditions }: V1Endpoint) => conditions?.ready !== false || conditions.serving === true;

function podsOf(service: V1Service, slices: readonly V1EndpointSlice[], port: number): Member[] {
  const name = service.spec?.ports?.find((one) => one.port === port)?.name ?? '';
  return slices.flatMap(({ ports = [], endpoints = [] }) => {
    const target = ports.find((one) => (one.name ?? '') === name)?.port;
    if (target === undefined) return [];
    return endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .map(({ addresses: [address = ''], nodeName = '' }) => ({
        name: `${address}:${target}`,
        node: nodeName,
        pod: { address, port: target },
      }));
  });
}
