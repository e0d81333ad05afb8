import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import { ingressWorkload } from '../harness/workload/ingress-workload.ts';
import { oldGone } from './ingress-reload.ts';
import { bringIn, ROOM, retire, retiring } from './two-deployments.ts';

/**
 * A proxy stands in front of the gateways. v2 comes in beside v1 with a Service of its own; a canary Ingress sends it
 * a share of the new connections, raised in steps (`--canary-steps 5-25-50-100`, one every `--canary-every`); at 100
 * it is promoted, the canary goes, and v1 is retired.
 *
 * How gradual can the switch be? As slow as you like, but weights are for new connections only: the proxy draws the
 * backend once, at the upgrade, so no weight moves a single established WebSocket, and whoever reconnects below 100
 * may land on v1 and be dropped again. Hence v1 is retired, which is what moves clients, only after weight 100.
 *
 * For ingress-nginx weights, endpoints and the canary Ingress itself change without a reload. What reloads is naming
 * another Service in the main Ingress (`--promote ingress`), and 240 s later (worker-shutdown-timeout) all connections of
 * old workers end, those on v2 and those of every other application behind the same controller included. `--promote
 * selector` keeps the Ingress and re-points its Service, which needs no reload. With the Gateway API the weights stand
 * in one HTTPRoute and there is nothing to promote; `--ingress` names whose implementation it is, since each has hazards
 * of its own (`--list`; `ingress-reload` shows them). Heartbeats must come more often than `--proxy-read-timeout`, or
 * the proxy ends every idle connection by itself.
 *
 * Needs an ingress controller and room for twice the pods. Choose it where HTTP routing is wanted anyway; for
 * WebSockets alone it adds a hop that drops connections for reasons of its own. A rollback sets the weight to 0.
 */
export const ingressCanary: Strategy = {
  name: 'ingress-canary',
  question:
    'How gradually can an ingress with canary weights move WebSockets, and what does the proxy itself drop?',
  needs: ({ ingress }) => [ingress],
  requires: (axes) => [ROOM, ...retiring(axes), 'an ingress controller in the path'],
  heeds: [
    'canarySteps',
    'canaryEvery',
    'ingressApi',
    'ingress',
    'workerShutdownTimeout',
    'promote',
    'proxyReadTimeout',
    'proxyLifetime',
    'retire',
    'ask',
  ],
  variants: { promote: 'ingress,selector' },
  async prepare(stage) {
    const { controller, selector, main, next, service, ingress, route } = ingressWorkload(stage.axes);
    await bringIn(stage, 'v1');
    await stage.kube.apply(service(main, 'v1'));
    await stage.kube.apply(service(next, 'v2'));
    await stage.kube.apply(stage.axes.ingressApi === 'ingress' ? ingress(main) : route(0));
    await stage.putInFront(controller, selector);
  },
  async release(stage) {
    const steps = stage.axes.canarySteps.split('-').map(Number);
    await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
    await stage.step('canary at 0 %', () => setWeight(stage, 0));
    for (const weight of steps) {
      const cutOver = weight === 100;
      await stage.step(`canary at ${weight} %`, () => setWeight(stage, weight), { cutOver });
      await stage.step('watch', () => stage.sleep(stage.axes.canaryEvery));
    }
    if (stage.axes.ingressApi === 'ingress') {
      await stage.step('promote v2', () => promote(stage, 'v2'));
      await stage.step('watch', () => stage.sleep(oldGone(stage.axes) + 2 * stage.axes.heartbeat));
    }
    await stage.step('retire v1', () => retire(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('v1 back at full size', () => bringIn(stage, 'v1'));
    await stage.step('new connections to v1', () => demote(stage), { cutOver: true });
    await stage.step('retire v2', () => retire(stage, 'v2'));
    await stage.step('canary away', () =>
      stage.kube.delete('Ingress', ingressWorkload(stage.axes).canaryName),
    );
  },
};

/** The controller looks at its objects at most every 3.3 s, and its workers at what it says once a second. */
const IN_FORCE = 5000;

/** Which share of new connections goes to v2. */
async function setWeight(stage: Stage, weight: number): Promise<void> {
  const { canary, route } = ingressWorkload(stage.axes);
  await stage.kube.apply(stage.axes.ingressApi === 'ingress' ? canary(weight) : route(weight));
}

/** Makes v2 the main backend, so that the canary is needed no more. */
async function promote(stage: Stage, version: 'v1' | 'v2'): Promise<void> {
  const { main, next, service, ingress, canaryName } = ingressWorkload(stage.axes);
  if (stage.axes.promote === 'selector') await stage.kube.apply(service(main, version));
  else await stage.kube.apply(ingress(version === 'v1' ? main : next));
  if (version === 'v2') await stage.kube.delete('Ingress', canaryName);
  await stage.sleep(IN_FORCE);
}

/** Back to v1 from wherever the release was: what is so already is not changed, and reloads nothing. */
async function demote(stage: Stage): Promise<void> {
  if (stage.axes.ingressApi === 'ingress') await promote(stage, 'v1');
  await setWeight(stage, 0);
}
