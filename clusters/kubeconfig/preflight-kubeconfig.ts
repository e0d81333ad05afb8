import { existsSync } from 'node:fs';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import type { Preflight } from '../../harness/contracts/cluster.ts';
import { BALANCERS } from '../../harness/platforms/balancers.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import type { Get } from '../kubernetes/api/api-connection.ts';
import type { Entrance } from '../kubernetes/front/entrance.ts';
import { type FoundHops, findHops, type HopChoice } from '../kubernetes/front/found-hops.ts';
import { gatewayImageName } from '../kubernetes/gateway/gateway-image.ts';
import { backendsOf, balancerOf, dataplaneOf, type Findings } from './findings.ts';
import type { KubeconfigOptions } from './kubeconfig-options.ts';
import { readFindings } from './read-findings.ts';

/** What preflight found out about the cluster. */
export interface Found {
  readonly findings: Findings;
  readonly entrance: Entrance;
  readonly hops: FoundHops;
}

/** The kubeconfig that was chosen. @throws Error when it cannot be read. */
export async function load({ kubeconfig, context }: KubeconfigOptions) {
  const { KubeConfig } = await import('../kubernetes/api/kube-config.ts');
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

/** Its API server. @throws KubeError where it has no current context. */
export async function connect(options: KubeconfigOptions, signal?: AbortSignal) {
  const { ApiConnection } = await import('../kubernetes/api/api-connection.ts');
  return new ApiConnection(await load(options), new ScaledClock(1), signal);
}

/** GET on it. */
export const getter =
  (connection: Awaited<ReturnType<typeof connect>>): Get =>
  (path, query = {}) =>
    connection.request('GET', path, { query });

/** Which of several classes the user chose. */
export const hopChoice = (options: KubeconfigOptions): HopChoice => ({
  ingressClass: options['ingress-class'],
  gatewayClass: options['gateway-class'],
});

/** Whether the cluster can be used, and what it is. */
export async function look(options: KubeconfigOptions): Promise<{
  preflight: Preflight;
  found?: Found;
}> {
  const unusable = (what: string, mend: string) => ({
    preflight: { usable: false, missing: [{ what, mend }] } as const,
  });
  if (options.kubeconfig !== undefined && !existsSync(options.kubeconfig))
    return unusable(`there is no ${options.kubeconfig}`, 'name another file with --kubeconfig');
  try {
    const get = getter(await connect(options));
    const findings = await readFindings(get);
    const hops = await findHops(get, hopChoice(options));
    const balancer = balancerOf(findings);
    const entrance =
      options.entrance === 'auto' ? (balancer.exists ? 'load-balancer' : 'node-port') : options.entrance;
    const nodes = backendsOf(findings.nodes).length;
    const way =
      entrance === 'load-balancer'
        ? `clients enter through the load balancer: ${balancer.words}`
        : 'clients enter through node ports: what a balancer would do to them is not measured, and predicted as one that never moves a flow';
    const notes = [
      `kubeconfig: Kubernetes ${findings.version}, ${nodes} nodes, ${dataplaneOf(findings).words}; ${way}`,
      ...(options['gateway-image'] === undefined
        ? [
            `kubeconfig: the nodes must have the image ${await gatewayImageName()}; build it with node clusters/kubernetes/gateway/image.main.ts [REPOSITORY], or name one with --gateway-image`,
          ]
        : []),
      ...(entrance === 'load-balancer' && balancer.axis === undefined
        ? [
            `kubeconfig: predictions are for ${BALANCERS[defaultAxes().balancer].title}; this one may do otherwise (choose with --balancer)`,
          ]
        : []),
    ];
    return { preflight: { usable: true, notes }, found: { findings, entrance, hops } };
  } catch (error) {
    return unusable(
      (error as Error).message,
      'see that kubectl get nodes works, and choose --kubeconfig and --context',
    );
  }
}
