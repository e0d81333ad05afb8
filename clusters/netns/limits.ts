import { readFileSync } from 'node:fs';
import type { Axes } from '../../harness/axes.ts';
import { controlClients } from '../../harness/fleet.ts';

/** File descriptors that the harness needs besides its clients': logs, pipes to processes, probes, health checks. */
const RESERVE = 1000;

/** Nodes whose helpers and namespaces this cluster is built for. */
const MOST_NODES = 30;

/** How many clients one process here can hold: the hard limit of its file descriptors less what else it needs. */
export function clientLimit(limits = readFileSync('/proc/self/limits', 'utf8')): number {
  const [, hard] = /^Max open files\s+\S+\s+(\S+)/m.exec(limits) ?? [];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard) - RESERVE;
}

/** Why a cell cannot run here, or undefined. `limit` is the most clients a process can hold. */
export function refusal(axes: Axes, limit = clientLimit()): string | undefined {
  if (axes.proxy === 'ipvs')
    return 'IPVS needs the kernel module ip_vs, which namespaces of an unprivileged user cannot load; the simulator models it';
  if (axes.proxy === 'cilium' || axes.proxy === 'cilium-1.16')
    return "Cilium's dataplane is eBPF that its agent loads as root of the host; the simulator models it";
  const clients = axes.clients + controlClients(axes.clients);
  if (clients > limit)
    return `${clients} clients need as many file descriptors in one process, and the hard limit (ulimit -Hn) leaves ${limit}; raise it, or take --clients ${Math.max(1, Math.floor(limit / 1.01) - 100)}`;
  if (axes.nodes > MOST_NODES)
    return `more than ${MOST_NODES} nodes on one machine measure the machine, not the cluster`;
  return undefined;
}
