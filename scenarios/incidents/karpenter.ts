import type { CellResult } from '../../harness/analyses/analyze.ts';
import { type Finding, finding, isAbout, percent } from './finding.ts';
import type { Incident } from './incident.ts';

const NODES = 6;

function found({ document }: CellResult, holds: (refused: number) => boolean): Finding {
  const { refusedAttempts, silent, clients } = document;
  return finding(
    `${refusedAttempts} new connections are sent to the node that is gone; what it carried (${percent(silent, clients)}) hangs either way`,
    holds(refusedAttempts),
    isAbout(1 / NODES, silent, clients),
  );
}

export const karpenter: Incident = {
  id: 'karpenter',
  reference: 'aws/karpenter-provider-aws#4673',
  saw: 'a Network Load Balancer goes on to use a node for two minutes after it was deregistered, and its instance is gone before',
  fix: 'asked for, and open: to wait for the deregistration before the instance is terminated',
  strategy: 'node-churn',
  before: {
    axes: {
      pods: '2',
      nodes: String(NODES),
      balancer: 'nlb-instance',
      heartbeat: '10s',
      backoff: '10s',
      nodeRemovalAfter: '30s',
    },
    finds: (result) => found(result, (refused) => refused > 0),
  },
  after: {
    axes: { nodeRemovalAfter: '3m' },
    finds: (result) => found(result, (refused) => refused === 0),
  },
};
