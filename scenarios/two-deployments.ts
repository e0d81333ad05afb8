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
 * Takes a version out of service, from wherever its coming in was interrupted. Paced: its pods ask their clients to
 * go, evenly over `drainOver`, and are removed once that time is over; abrupt: the Deployment is scaled to nothing,
 * and the pods do on SIGTERM what they do.
 */
export async function retire(stage: Stage, version: Version): Promise<void> {
  if (stage.axes.retire === 'paced' && (await noMore(stage, version)) > 0) {
    await drain(stage, version, stage.axes.drainOver);
    await stage.sleep(stage.axes.drainOver);
  }
  await remove(stage, version);
}

/** Scales a version to nothing, where it has been brought in at all, and waits until its pods are gone. */
export async function remove(stage: Stage, version: Version): Promise<void> {
  const name = `gateway-${version}`;
  if ((await stage.kube.get('Deployment', name)) !== undefined)
    await stage.kube.patch('Deployment', name, { spec: { replicas: 0 } });
  await gone(stage, version);
}

/**
 * No more pods of a version come in than run already, so that whatever its pods are told, all of them have been
 * told: of a Deployment that shrinks, those go first which do not run yet. Returns how many run.
 */
export async function noMore(stage: Stage, version: Version): Promise<number> {
  const name = `gateway-${version}`;
  const { length } = await stage.running(version);
  const deployment = await stage.kube.get('Deployment', name);
  if ((deployment?.spec?.replicas ?? 0) > length)
    await stage.kube.patch('Deployment', name, { spec: { replicas: length } });
  return length;
}

/** Tells a version's pods to ask their clients to go, evenly over this time; they stay, and take new ones. */
export const drain = (stage: Stage, version: Version, over: Millis): Promise<void> =>
  tell(stage, version, `/drain?over=${over}&how=${stage.axes.ask}`);

/** POST to the admin port of each pod of a version that runs. */
export async function tell(stage: Stage, version: Version, path: string): Promise<void> {
  for (const { metadata } of await stage.running(version)) await stage.call(metadata?.name ?? '', path);
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
