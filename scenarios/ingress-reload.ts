import type { Axes } from '../harness/contracts/axes.ts';
import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { PROXIES } from '../harness/platforms/proxies.ts';
import type { Millis } from '../harness/time/duration.ts';
import { ingressWorkload } from '../harness/workload/ingress-workload.ts';
import { bringIn } from './two-deployments.ts';

/**
 * Not a release: nothing of the gateway changes, only what stands in front of it is told of something
 * (`--reload-by`), once or every `--reload-every` (`--reloads`). Somebody else's Ingress or HTTPRoute is added behind
 * the same proxy; somebody's certificate is renewed; a pod more serves; the proxy's own settings change; or the proxy
 * itself is released.
 *
 * What each costs is the proxy's own (`--ingress`). One that cannot tell its running processes reloads: new ones take
 * the new connections, the old ones keep the established until `--worker-shutdown-timeout` is over and then end them
 * all at once, whoever they belong to. Several reloads within that time cost no more than one, for all connections are
 * left to the workers before the first, and whoever comes back is served by those after the last.
 *
 * Needs a proxy in the path. `rollback` takes away what came, which is one more change of the same kind.
 */
export const ingressReload: Strategy = {
  name: 'ingress-reload',
  kind: 'experiment',
  question: 'What do clients lose when the proxy before them reloads for something that is not about them?',
  needs: ({ ingress, reloadBy }) => [ingress, ...(OTHERS.includes(reloadBy) ? [] : (['own-proxy'] as const))],
  requires: () => ['an ingress controller in the path'],
  heeds: [
    'ingress',
    'ingressApi',
    'workerShutdownTimeout',
    'proxyReadTimeout',
    'proxyLifetime',
    'reloadBy',
    'reloads',
    'reloadEvery',
  ],
  async prepare(stage) {
    const { controller, selector, main, service, ingress, route } = ingressWorkload(stage.axes);
    await bringIn(stage, 'v1');
    await stage.kube.apply(service(main, 'v1'));
    await stage.kube.apply(stage.axes.ingressApi === 'ingress' ? ingress(main) : route(0));
    await stage.putInFront(controller, selector);
  },
  async release(stage) {
    const { reloads, reloadEvery, reloadBy, heartbeat } = stage.axes;
    for (let time = 1; time <= reloads; time++) {
      const what = `${WHAT[reloadBy](stage.axes)}${reloads === 1 ? '' : ` (${time} of ${reloads})`}`;
      await stage.step(what, () => happen(stage, time), { fault: true });
      if (time < reloads) await stage.sleep(reloadEvery);
    }
    await stage.step('watch', () => stage.sleep(oldGone(stage.axes) + 2 * heartbeat));
  },
  async rollback(stage) {
    const { reloads, pods } = stage.axes;
    await stage.step('what came goes', async () => {
      for (let time = 1; time <= reloads; time++) {
        const { kind = '', metadata } = ingressWorkload(stage.axes).neighbour(time);
        await stage.kube.delete(kind, metadata?.name ?? '');
      }
      await stage.kube.patch('Deployment', 'gateway-v1', { spec: { replicas: pods } });
    });
  },
};

const WHAT: Readonly<Record<Axes['reloadBy'], (axes: Axes) => string>> = {
  ingress: ({ ingressApi }) =>
    `somebody else's ${ingressApi === 'ingress' ? 'Ingress' : 'HTTPRoute'} is added`,
  certificate: () => 'a certificate is renewed',
  endpoint: () => 'a pod more serves',
  settings: () => "the proxy's settings change",
  'proxy-rollout': () => 'the proxy is released',
};
/** What others than the owner of the proxy can do. */
const OTHERS: readonly Axes['reloadBy'][] = ['ingress', 'endpoint'];

async function happen(stage: Stage, time: number): Promise<void> {
  const { neighbour, certificate, settings, controller } = ingressWorkload(stage.axes);
  const { kube, axes } = stage;
  const proxy = controller.metadata?.name ?? '';
  switch (axes.reloadBy) {
    case 'ingress':
      await kube.apply(neighbour(time));
      return;
    case 'certificate':
      await kube.apply(certificate(time));
      return;
    case 'settings':
      await kube.apply(settings(time));
      return;
    case 'endpoint':
      await kube.patch('Deployment', 'gateway-v1', { spec: { replicas: axes.pods + time } });
      await stage.rolledOut('gateway-v1');
      return;
    case 'proxy-rollout': {
      const annotations = { 'kubectl.kubernetes.io/restartedAt': String(time) };
      await kube.patch('Deployment', proxy, { spec: { template: { metadata: { annotations } } } });
      await stage.rolledOut(proxy);
    }
  }
}

/** By then it has shown what a reload costs, or a release of the proxy: its time for what it holds, and a minute. */
export function oldGone({ ingress, workerShutdownTimeout = 0 }: Axes): Millis {
  const { keeps } = PROXIES[ingress].termination;
  return Math.max(workerShutdownTimeout, keeps === 'reload' ? 0 : keeps) + 60_000;
}
