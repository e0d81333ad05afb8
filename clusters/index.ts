import type { Provider } from '../harness/contracts/cluster.ts';
import { createGke } from './gke/gke.ts';
import { createKind } from './kind/kind.ts';
import { createKubeconfig } from './kubeconfig/kubeconfig.ts';
import { netns } from './netns/netns.ts';
import { sim } from './sim/sim.ts';

/** Every cluster by name, in the order in which they are listed. */
export const PROVIDERS: Readonly<Record<string, Provider>> = {
  sim,
  netns,
  kind: createKind(),
  gke: createGke(),
  kubeconfig: createKubeconfig(),
};
