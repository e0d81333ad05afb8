import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import type { Version } from '../harness/contracts/workload.ts';
import {
  HOLDER_LABELS,
  holderDeployment,
  supervisedDeployment,
  UPSTREAM_SERVICE,
  upstreamService,
} from '../harness/workload/handoff-workload.ts';
import { bringIn, remove, selecting } from './two-deployments.ts';

/** From a changed selector to rules on every node: endpoints within a second, kube-proxy's next sync, and room to spare. */
const RULES_FOLLOW = 10_000;

/**
 * Nobody is disconnected at all, because what holds the clients' TCP connections is not what is released. Two ways
 * (axis `handoffBy`):
 *
 * `holder`: a thin, rarely released process terminates the clients' WebSockets and keeps one upstream for each to the
 * versioned gateway, through a Service inside the cluster. v2 comes in beside v1; that Service's selector is flipped;
 * the holders are told to open a new upstream for each client, evenly over `drainOver`; v1, by then idle, is retired.
 * The return that peaks is the holders', not the clients'. Needs one hop, one connection and some memory more for
 * each client, a gateway that can resume a client's state on a new connection, and a holder that hardly ever
 * changes: its own release drops its clients as any gateway's does.
 *
 * `worker`: in each pod a parent process owns the sockets; told to, it forks v2's worker and passes every raw socket
 * to it over IPC, with the state of its WebSocket. Only the application's code changes: the image, the pod and the
 * template stay, so a pod that is started anew runs v1 until the template follows at the next restart. Needs no
 * extra pod and no hop. Cannot work across pods or nodes (a socket belongs to the network namespace that it was
 * opened in), nor where TLS ends in that process (a TLS socket cannot be sent), nor with permessage-deflate.
 *
 * Choose the holder where clients need minutes to come back and the protocol is yours; the worker where most
 * releases change nothing but code.
 */
export const handoff: Strategy = {
  name: 'handoff',
  question: 'Can a release hand the clients over to the new version without disconnecting any of them?',
  needs: ['handoff'],
  requires: ({ handoffBy }) =>
    handoffBy === 'holder'
      ? [
          'room for twice the pods',
          'a connection holder in the path',
          'a gateway that resumes a client on another connection',
        ]
      : ['a process in each pod that owns the sockets and outlives releases'],
  heeds: ['handoffBy', 'internalPolicy'],
  defaults: { handoffBy: 'holder,worker' },
  async prepare(stage) {
    const { axes, kube, workload } = stage;
    if (axes.handoffBy === 'worker') {
      await kube.apply(supervisedDeployment(axes));
      await stage.rolledOut('gateway');
      await kube.apply(workload.loadBalancer({ app: 'gateway' }));
      return;
    }
    await kube.apply(workload.deployment('v1'));
    await stage.rolledOut('gateway-v1');
    const { spec } = await kube.apply(upstreamService('v1', axes));
    await stage.sleep(RULES_FOLLOW);
    const holder = holderDeployment(axes, spec?.clusterIP ?? '');
    await kube.apply(holder);
    await stage.rolledOut(holder.metadata?.name ?? '');
    await kube.apply(workload.loadBalancer(HOLDER_LABELS));
  },
  async release(stage) {
    if (stage.axes.handoffBy === 'worker') await takeOver(stage, 'v1', 'v2');
    else await moveUpstreams(stage, 'v1', 'v2');
    await stage.step('watch', () => stage.sleep(30_000 + 2 * stage.axes.heartbeat));
  },
  async rollback(stage) {
    if (stage.axes.handoffBy === 'worker') await takeOver(stage, 'v2', 'v1');
    else await moveUpstreams(stage, 'v2', 'v1');
  },
};

async function moveUpstreams(stage: Stage, from: Version, to: Version): Promise<void> {
  const { drainOver } = stage.axes;
  await stage.step(`${to} beside ${from}`, () => bringIn(stage, to));
  await stage.step(
    `upstream Service to ${to}`,
    async () => {
      await stage.kube.patch('Service', UPSTREAM_SERVICE, { spec: { selector: selecting(to) } });
      await stage.sleep(RULES_FOLLOW);
    },
    { cutOver: true },
  );
  await stage.step(`holders move to ${to}`, async () => {
    for (const { metadata } of await stage.kube.list('Pod', HOLDER_LABELS))
      await stage.call(metadata?.name ?? '', `/rehome?over=${drainOver}`);
    await stage.sleep(drainOver + RULES_FOLLOW);
  });
  await stage.step(`retire ${from}`, () => remove(stage, from));
}

async function takeOver(stage: Stage, from: Version, to: Version): Promise<void> {
  await stage.step(
    `workers of ${to} take over`,
    async () => {
      for (const { metadata } of await stage.running(from)) {
        const pod = metadata?.name ?? '';
        if (await stage.call(pod, `/handover?version=${to}`))
          await stage.kube.patch('Pod', pod, { metadata: { labels: { version: to } } });
      }
    },
    { cutOver: true },
  );
}
