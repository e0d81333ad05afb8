import { finding, isAbout, percent } from './finding.ts';
import type { Incident } from './incident.ts';

const NODES = 6;

export const aks: Incident = {
  id: 'aks',
  reference: 'Azure/AKS#5038',
  saw: 'a node that carries no pod of the Service is scaled down, and connections through it hang',
  fix: 'externalTrafficPolicy Local: only nodes with pods carry connections',
  strategy: 'node-churn',
  before: {
    axes: { pods: '2', nodes: String(NODES), balancer: 'azure' },
    finds: ({ document: { silent, dropped, clients } }) =>
      finding(
        `${percent(dropped, clients)} are lost, one of ${NODES} nodes' share, all of them in silence`,
        isAbout(1 / NODES, dropped, clients),
        silent === dropped,
      ),
  },
  after: {
    axes: { policy: 'Local' },
    finds: ({ document: { dropped } }) => finding(`${dropped} are lost`, dropped === 0),
  },
};
