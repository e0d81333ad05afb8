import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Axes } from '../../harness/contracts/axes.ts';
import { controlClients } from '../../harness/fleet/fleet.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import { rulesNotHeld } from '../control-plane/kubernetes-versions.ts';

/** File descriptors that the harness needs besides its clients': logs, pipes to processes, probes, health checks. */
const RESERVE = 1000;

/** Nodes whose helpers and namespaces this cluster is built for. */
const MOST_NODES = 30;

/** Processes that may hold clients beside the harness; more would only wait for a processor. */
const MOST_PROCESSES = 8;

/** Of the clients, the share that one of several pods may come to hold while others restart. */
const UNEVEN = 1.5;

/** How many connections one process here can hold: the hard limit of its file descriptors less what else it needs. */
export function connectionLimit(limits = readFileSync('/proc/self/limits', 'utf8')): number {
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(limits) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard) - RESERVE;
}

/** How the limit is raised, for people. */
const RAISE =
  'raise it where the shell is started: `ulimit -Hn 65536` as root, LimitNOFILE= of its systemd unit, or docker run --ulimit nofile=65536';

/** Why no cell at all can run here for want of file descriptors, and what mends it; undefined where some can. */
export function tooFewDescriptors(limit = connectionLimit()): { what: string; mend: string } | undefined {
  const least = controlClients(1) + 1;
  if (limit >= least) return undefined;
  return {
    what: `a process may open ${limit + RESERVE} files here (ulimit -Hn), and at least ${RESERVE + least} are needed: ${RESERVE} for logs, pipes and probes, and one for each connection`,
    mend: RAISE,
  };
}

/** Pings a real second, of all clients of a cell together, that keep one processor core busy, connects at once included. */
const PINGS_PER_CORE = 2500;

/** How many of these cells may be played at once at this speed (each its own) without waiting for each other's processor. */
export function lanes(
  cells: readonly Pick<Axes, 'clients' | 'heartbeat' | 'handshakeCpu' | 'messageCpu' | 'podCpu'>[],
  speed: (axes: (typeof cells)[number]) => number,
  cores = availableParallelism(),
): number {
  const needed = cells.map((axes) => {
    // Gateways that are busy on purpose are measured with the machine to themselves.
    if ((axes.handshakeCpu > 0 || axes.messageCpu > 0) && axes.podCpu === undefined) return cores;
    return ((axes.clients / axes.heartbeat) * 1000 * speed(axes)) / PINGS_PER_CORE;
  });
  return Math.max(1, Math.floor(cores / Math.max(1, ...needed)));
}

const allClients = ({ clients }: Pick<Axes, 'clients'>) => clients + controlClients(clients);

/** How many other processes must hold the clients' connections: none as long as the harness itself can. */
export function dialProcesses(axes: Pick<Axes, 'clients'>, limit = connectionLimit()): number {
  const total = allClients(axes);
  return total <= limit ? 0 : Math.ceil(total / limit);
}

/** Why a cell cannot run here, or undefined. `limit` is the most connections a process can hold. */
export function refusal(axes: Axes, limit = connectionLimit()): string | undefined {
  const { mode } = dataplane(axes.proxy);
  if (mode === 'ipvs')
    return 'IPVS needs the kernel module ip_vs, which namespaces of an unprivileged user cannot load; the simulator models it';
  if (mode === 'cilium')
    return "Cilium's dataplane is eBPF that its agent loads as root of the host; the simulator models it";
  const notHeld = rulesNotHeld(axes);
  if (notHeld !== undefined) return notHeld;
  const tooFew = tooFewDescriptors(limit);
  if (tooFew !== undefined) return `${tooFew.what}; ${tooFew.mend}`;
  const most = Math.min(
    MOST_PROCESSES * limit,
    Math.floor((axes.pods * limit) / (axes.pods > 1 ? UNEVEN : 1)),
  );
  if (axes.clients > most)
    return `${axes.clients} clients are more than ${axes.pods === 1 ? 'one pod' : `${axes.pods} pods`} can hold here: a process may open ${limit + RESERVE} files (ulimit -Hn), which leaves ${limit} connections; take more --pods, --clients ${most} at most, or ${RAISE}`;
  if (axes.nodes > MOST_NODES)
    return `more than ${MOST_NODES} nodes on one machine measure the machine, not the cluster`;
  return undefined;
}
