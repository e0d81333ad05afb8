import { aks } from './aks.ts';
import { argoRollouts501 } from './argo-rollouts-501.ts';
import { argoRollouts3761 } from './argo-rollouts-3761.ts';
import { centrifugo } from './centrifugo.ts';
import { chatto } from './chatto.ts';
import { hive } from './hive.ts';
import type { Incident } from './incident.ts';
import { ingressNginx } from './ingress-nginx.ts';
import { karpenter } from './karpenter.ts';
import { kubernetes50977 } from './kubernetes-50977.ts';
import { kubernetes94435 } from './kubernetes-94435.ts';
import { ldRelay } from './ld-relay.ts';
import { mercure } from './mercure.ts';
import { nervesHub } from './nerves-hub.ts';
import { nginxGatewayFabric } from './nginx-gateway-fabric.ts';
import { omi } from './omi.ts';
import { signalr } from './signalr.ts';
import { teleport } from './teleport.ts';
import { zed } from './zed.ts';

/** Public incidents, in the order in which they are played: returns, shapes, grace periods, selectors, proxies, nodes. */
export const INCIDENTS: readonly Incident[] = [
  omi,
  zed,
  signalr,
  teleport,
  nervesHub,
  chatto,
  ldRelay,
  mercure,
  hive,
  kubernetes94435,
  kubernetes50977,
  argoRollouts501,
  argoRollouts3761,
  ingressNginx,
  centrifugo,
  nginxGatewayFabric,
  karpenter,
  aks,
];
