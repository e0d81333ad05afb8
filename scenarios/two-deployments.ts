import type { Axes } from '../harness/contracts/axes.ts';
import type { Requirement } from '../harness/contracts/requirements.ts';
import type { Stage } from '../harness/contracts/scenario.ts';
import type { Version } from '../harness/contracts/workload.ts';
import type { Millis } from '../harness/time/duration.ts';

/** One Deployment a version behind one Service: the set-up that flips, readiness failures and drains share. */
export const selecting = (version: Version) => ({ app: 'gateway', version });

/** Both versions at full size at the same time. */
export const ROOM: Requirement = 'room for twice the pods';

/** What `retire` asks of gateway and clients. */
export const retiring = ({ retire, ask }: Pick<Axes, 'retire' | 'ask'>): Requirement[] =>
  retire === 'abrupt'
    ? []
    : [
        'a gateway that drains on request',
        ...(ask === 'message' ? (['clients that reconnect when a message asks them to'] as const) : []),
      ];

/** v1 serves alone. */
export async function serveV1(
  stage: Stage,
  selector: Record<string, string> = selecting('v1'),
): Promise<void> {
  await stage.kube.apply(stage.workload.deployment('v1'));
  await stage.rolledOut('gateway-v1');
  await stage.kube.apply(stage.workload.loadBalancer(selector));
}

/** Brings a version to its full size beside the other. */
export async function bringIn(stage: Stage, version: Version): Promise<void> {
  await stage.kube.apply(stage.workload.deployment(version));
  await stage.rolledOut(`gateway-${version}`);
}

/** Points the Service at one version; its EndpointSlices, and then the nodes' rules, follow within seconds. */
export async function select(stage: Stage, version: Version): Promise<void> {
  await stage.kube.patch('Service', stage.workload.service, { spec: { selector: selecting(version) } });
}

/**
 * Takes a version out of service. Paced: its pods ask their clients to go, evenly over `drainOver`, and are
 * removed once that time is over; abrupt: the Deployment is scaled to nothing, and the pods do on SIGTERM what
 * they do.
 */
export async function retire(stage: Stage, version: Version): Promise<void> {
  if (stage.axes.retire === 'paced') {
    await drain(stage, version, stage.axes.drainOver);
    await stage.sleep(stage.axes.drainOver);
  }
  await stage.kube.patch('Deployment', `gateway-${version}`, { spec: { replicas: 0 } });
  await gone(stage, version);
}

/** Tells a version's pods to ask their clients to go, evenly over this time; they stay, and take new ones. */
export async function drain(stage: Stage, version: Version, over: Millis): Promise<void> {
  for (const pod of await stage.pods(version))
    await stage.call(pod.metadata?.name ?? '', `/drain?over=${over}&how=${stage.axes.ask}`);
}

/** Waits until no pod of a version is left, not even a terminating one. */
export async function gone(stage: Stage, version: Version): Promise<void> {
  const { grace, preStop } = stage.axes;
  await stage.until(
    `all ${version} pods are gone`,
    async () => (await stage.kube.list('Pod', { app: 'gateway', version })).length === 0,
    grace + preStop + 600_000,
  );
}
