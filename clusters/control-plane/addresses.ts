import type { Axes } from '../../harness/contracts/axes.ts';

/** The address plan of the embedded clusters; the same in the simulator and in the kernel. */
export const CLUSTER_CIDR = '10.244.0.0/16';

/** What cluster IPs are chosen from, kubeadm's default being 10.96.0.0/12. */
export const SERVICE_CIDR = '10.96.0.0/16';

export const NODE_CIDR = '172.18.0.0/16';
/** Clients' source addresses, many, so that tens of thousands of connections find fresh ports. */
export const CLIENT_CIDR = '100.64.0.0/10';

/**
 * Whose source address a client has, by number: its own, or that of the first of those who share one, where the clients
 * lie behind so many addresses.
 */
export const addressedAs = (client: number, { clientsBehind }: Pick<Axes, 'clientsBehind'>): number =>
  clientsBehind === undefined ? client : client % clientsBehind;

/** Nodes are numbered from 1: node-1 has the address 172.18.1.1 and the pods 10.244.1.0/24. */
export const nodeName = (number: number) => `node-${number}`;
export const nodeAddress = (number: number) => `172.18.1.${number}`;
export const podCidr = (number: number) => `10.244.${number}.0/24`;
/** Pods of a node are numbered from 2; 1 is the node's own end. */
export const podAddress = (node: number, pod: number) => `10.244.${node}.${pod}`;
export const podGateway = (node: number) => podAddress(node, 1);
/** The n-th virtual IP that the balancer hands out, from 0. */
export const virtualAddress = (number: number) => `172.18.255.${200 + number}`;
export const clusterAddress = (number: number) => `10.96.100.${1 + number}`;
export const ZONES = ['zone-a', 'zone-b', 'zone-c'] as const;
export const zoneOf = (node: number) => ZONES[(node - 1) % ZONES.length] as string;
