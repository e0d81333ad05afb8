import { BALANCERS } from './balancers.ts';
import { CLIENT_LIBRARIES } from './clients.ts';
import { DATAPLANES } from './dataplanes.ts';
import { KUBERNETES_RELEASES } from './kubernetes.ts';
import { NODE_REMOVALS } from './node-removals.ts';
import type { Evidence, Platform } from './platform.ts';
import { PROXIES } from './proxies.ts';
import { SIDECARS } from './sidecars.ts';

/** Platforms of one kind, by the value that names each. */
interface PlatformTable {
  /** What they are, as a heading. */
  readonly title: string;
  readonly entries: Readonly<Record<string, Platform>>;
}

/** Every table of modelled platforms, by the axis whose values name its entries. */
export const PLATFORM_TABLES: Readonly<
  Record<
    'balancer' | 'proxy' | 'kubernetes' | 'ingress' | 'sidecars' | 'by' | 'connectTimeout',
    PlatformTable
  >
> = {
  balancer: { title: 'Balancers', entries: BALANCERS },
  proxy: { title: "Nodes' dataplanes", entries: DATAPLANES },
  kubernetes: { title: 'Kubernetes', entries: KUBERNETES_RELEASES },
  ingress: { title: 'Proxies in the path', entries: PROXIES },
  sidecars: { title: 'Sidecars of a mesh', entries: SIDECARS },
  by: { title: 'Who removes a node', entries: NODE_REMOVALS },
  connectTimeout: { title: "Clients' libraries", entries: CLIENT_LIBRARIES },
};

/** How a property is known, in a word or two. */
export const EVIDENCE: Readonly<Record<Evidence, string>> = {
  documented: 'documented',
  source: 'read in source',
  observed: 'observed',
  inferred: 'inferred',
  unproven: 'unproven',
};

/** How many properties are known in which way, the surest first: `3 documented, 1 unproven`. */
export function evidenceOf({ properties }: Platform): string {
  const ways = (Object.keys(EVIDENCE) as Evidence[]).flatMap((way) => {
    const known = properties.filter(({ evidence }) => evidence === way).length;
    return known === 0 ? [] : [`${known} ${EVIDENCE[way]}`];
  });
  return ways.join(', ');
}
