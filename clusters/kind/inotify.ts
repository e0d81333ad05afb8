import { readFileSync } from 'node:fs';

/** What the kernel lets one user have of inotify; the nodes' root is the machine's, so all kind clusters share it. */
export interface InotifyLimits {
  readonly instances: number;
  readonly watches: number;
}

/**
 * What a node takes: systemd, containerd, kubelet (with cAdvisor's watches on cgroups), kube-proxy and kindnet. With
 * 128 instances, Debian's default, two clusters of four nodes do not fit, and some node's kube-proxy ends with "too many
 * open files" (kind, known issues: pod errors due to "too many open files").
 */
const PER_NODE: InotifyLimits = { instances: 16, watches: 1000 };

/** What the machine itself is left. */
const MACHINE: InotifyLimits = { instances: 8, watches: 0 };

const MEND = 'sudo sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288';

/** The machine's limits; undefined where it is no Linux. */
export function inotifyLimits(directory = '/proc/sys/fs/inotify'): InotifyLimits | undefined {
  try {
    const read = (name: string) => Number(readFileSync(`${directory}/${name}`, 'utf8'));
    return { instances: read('max_user_instances'), watches: read('max_user_watches') };
  } catch {
    return undefined;
  }
}

/** Which of the limits so many nodes (control plane included) beside `running` others do not fit in, and what mends it. */
export function lacksInotify(
  nodes: number,
  running: number,
  limits = inotifyLimits(),
): { what: string; mend: string } | undefined {
  if (limits === undefined) return undefined;
  const all = nodes + running;
  const short = (['instances', 'watches'] as const).flatMap((kind) => {
    const needed = all * PER_NODE[kind] + MACHINE[kind];
    return needed <= limits[kind]
      ? []
      : [`fs.inotify.max_user_${kind} is ${limits[kind]}, about ${needed} are needed`];
  });
  if (short.length === 0) return undefined;
  const beside = running === 0 ? '' : ` beside the ${running} that run`;
  return { what: `${short.join(' and ')} for ${nodes} kind nodes${beside}`, mend: MEND };
}
