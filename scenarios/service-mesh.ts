import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import type { Version } from '../harness/contracts/workload.ts';
import { meshWorkload } from '../harness/workload/mesh-workload.ts';
import { ROOM, retire, retiring } from './two-deployments.ts';

/**
 * Istio or Anthos Service Mesh: an ingress gateway (Envoy) takes the clients' connections, a sidecar stands beside
 * each gateway of ours, and a VirtualService splits new connections between v1 and v2 by weight, in steps
 * (`--canary-steps`, one every `--canary-every`). Then v1 is retired.
 *
 * What a weight costs depends on the protocol that the mesh takes it for. As HTTP (`--mesh-routing http`) the weights
 * are routes, drawn once for each stream, and a WebSocket is one stream: no change of weight moves or ends any. As TCP
 * the weights stand in the listener's filter chain, so each step changes the listener, and 45 s later (drainDuration)
 * Envoy ends all connections of the old one, those to v2 included: a canary of four steps drops clients again and again.
 *
 * Retiring a pod ends its sidecar after the application, which drains in peace, since sidecars are native (Istio 1.27,
 * Kubernetes 1.29). A classic one (`--sidecars classic`) gets SIGTERM together with the application and ends 5 s later,
 * whatever grace period that has, and with it every connection; EXIT_ON_ZERO_ACTIVE_CONNECTIONS (`--exit-on-zero yes`)
 * makes it wait for the last of them. A stream that is silent for 5 minutes is reset.
 *
 * Needs a mesh, room for twice the pods, and set with care: HTTP, native sidecars, a heartbeat below 5 minutes. Choose it
 * where a mesh is there already; it only moves the problem, for the ingress gateway's own releases drop its clients
 * by the same two rules. A rollback sets the weight to 0.
 */
export const serviceMesh: Strategy = {
  name: 'service-mesh',
  question:
    'What does a service mesh do to WebSockets when weights change and when a pod with a sidecar goes?',
  needs: ['mesh'],
  requires: (axes) => [ROOM, ...retiring(axes), 'a service mesh in the path'],
  heeds: ['meshRouting', 'sidecars', 'exitOnZero', 'canarySteps', 'canaryEvery', 'retire', 'ask'],
  defaults: {
    meshRouting: 'http,tcp',
    exitOnZero: 'no,yes',
    retire: 'abrupt',
    drain: 'paced',
    drainOver: '2m',
    grace: '10m',
  },
  async prepare(stage) {
    const { ingressGateway, selector, service, routing, virtualService } = meshWorkload(stage.axes);
    await bringIn(stage, 'v1');
    for (const object of [service, ...routing, virtualService(0)]) await stage.kube.apply(object);
    await stage.kube.apply(ingressGateway);
    await stage.rolledOut(ingressGateway.metadata?.name ?? '');
    await stage.kube.apply(stage.workload.loadBalancer(selector));
  },
  async release(stage) {
    await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
    for (const weight of stage.axes.canarySteps.split('-').map(Number)) {
      const cutOver = weight === 100;
      await stage.step(`${weight} % to v2`, () => setWeight(stage, weight), { cutOver });
      await stage.step('watch', () => stage.sleep(stage.axes.canaryEvery));
    }
    await stage.step('retire v1', () => retire(stage, 'v1'));
  },
  async rollback(stage) {
    await stage.step('v1 back at full size', () => bringIn(stage, 'v1'));
    await stage.step('0 % to v2', () => setWeight(stage, 0), { cutOver: true });
    await stage.step('watch', () => stage.sleep(stage.axes.canaryEvery));
    await stage.step('retire v2', () => retire(stage, 'v2'));
  },
};

async function bringIn(stage: Stage, version: Version): Promise<void> {
  await stage.kube.apply(meshWorkload(stage.axes).deployment(version));
  await stage.rolledOut(`gateway-${version}`);
}

/** Which share of new connections goes to v2. */
async function setWeight(stage: Stage, weight: number): Promise<void> {
  await stage.kube.apply(meshWorkload(stage.axes).virtualService(weight));
}
