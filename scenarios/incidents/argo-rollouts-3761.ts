import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

export const argoRollouts3761: Incident = {
  id: 'argo-rollouts-3761',
  reference: 'argoproj/argo-rollouts#3761',
  saw: "when the new version is promoted and the Service's endpoints change, WebSockets end before the old pods do",
  fix: 'none there: it is open; on Cilium a second Service that goes on to select the old pods keeps them',
  strategy: 'selector-flip',
  before: {
    // They do not say which dataplane they have: kube-proxy would keep the connections, Cilium of that time cuts them.
    axes: { pods: '3', backoff: '10s', retire: 'abrupt', proxy: 'cilium-1.16' },
    finds: ({ document: { clients, reset, collateral } }) =>
      finding(
        `on Cilium ${reset} of ${clients} are reset when the selector changes, all while their pods still serve`,
        reset === clients,
        collateral === clients,
      ),
  },
  after: {
    axes: { secondService: 'yes' },
    finds: ({ document: { clients, closed, collateral } }) =>
      finding(
        `nobody loses a pod that still serves; ${closed} of ${clients} get a close frame when theirs is retired`,
        collateral === 0,
        closed === clients,
      ),
  },
};
