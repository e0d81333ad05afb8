import { describe, expect, it } from 'vitest';
import { type Axes, defaultAxes } from '../../../harness/contracts/axes.ts';
import type { Cluster } from '../../../harness/contracts/cluster.ts';
import type { Ending, Socket } from '../../../harness/contracts/connection.ts';
import type { Event, Timed } from '../../../harness/contracts/event.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { ingressWorkload } from '../../../harness/workload/ingress-workload.ts';
import { workload } from '../../../harness/workload/workload.ts';
import { nameOf } from '../../control-plane/store/objects.ts';
import { sim } from '../sim.ts';

interface Client {
  readonly socket: Socket;
  version?: string;
  ending?: Ending;
  endedAt?: number;
}

/** v1 behind the main Service, v2 behind the next one, an Ingress that leads to the main one. */
class Bench {
  readonly axes: Axes;
  readonly cluster: Cluster;
  readonly events: Event[];
  readonly clients: Client[] = [];

  constructor(axes: Axes, cluster: Cluster, events: Event[]) {
    this.axes = axes;
    this.cluster = cluster;
    this.events = events;
  }

  get manifests() {
    return ingressWorkload(this.axes);
  }

  async serve(): Promise<void> {
    const { kube } = this.cluster;
    const { main, next, service, ingress, controller, selector } = this.manifests;
    const { deployment, loadBalancer } = workload(this.axes);
    for (const version of ['v1', 'v2'] as const) {
      await kube.apply(deployment(version));
      await kube.apply(service(version === 'v1' ? main : next, version));
    }
    await kube.apply(ingress(main));
    await kube.apply(controller);
    await kube.apply(loadBalancer(selector));
    await this.cluster.reachable('gateway', 600_000);
    await this.sleep(30_000);
  }

  sleep(time: number): Promise<void> {
    return this.cluster.clock.sleep(time);
  }

  /** Lets time pass with a ping of each client every 20 s. */
  async live(time: number): Promise<void> {
    const end = this.cluster.clock.now() + time;
    while (this.cluster.clock.now() < end) {
      for (const { socket, ending } of this.clients) if (ending === undefined) socket.ping();
      await this.sleep(Math.min(20_000, end - this.cluster.clock.now()));
    }
  }

  async connect(count: number): Promise<Client[]> {
    const made = Array.from({ length: count }, () => this.dial());
    await this.sleep(1000);
    return made;
  }

  of<T extends Timed['type']>(type: T) {
    return this.events.filter((event): event is Extract<Timed, { type: T }> => event.type === type);
  }

  /** A pod of the app, by its labels. */
  async pod(labels: Record<string, string>): Promise<string> {
    const [pod] = await this.cluster.kube.list('Pod', labels);
    return pod === undefined ? '' : nameOf(pod);
  }

  private dial(): Client {
    const socket = this.cluster.dial(
      { group: 'fleet', number: this.clients.length, service: 'gateway' },
      {
        opened: ({ version }) => {
          client.version = version;
        },
        answered() {},
        asked() {},
        closed: (ending) => {
          client.ending = ending;
          client.endedAt = this.cluster.clock.now();
        },
      },
    );
    const client: Client = { socket };
    this.clients.push(client);
    return client;
  }
}

async function play(story: (bench: Bench) => Promise<void>, changes: Partial<Axes> = {}): Promise<void> {
  const events: Event[] = [];
  const axes = defaultAxes({ pods: 2, ...changes });
  await using cluster = await sim.open(
    { axes, name: 'test' },
    {
      record: (event) => events.push(event),
      random: new Random('ingress'),
      directory: '.',
      signal: new AbortController().signal,
    },
  );
  const bench = new Bench(axes, cluster, events);
  await cluster.clock.run(async () => {
    await bench.serve();
    await story(bench);
  });
}

const endings = (clients: readonly Client[]) => new Set(clients.map(({ ending }) => ending?.how));
const shareOfV2 = (clients: readonly Client[]) =>
  clients.filter(({ version }) => version === 'v2').length / clients.length;

describe('a modelled ingress controller', () => {
  it('draws new connections by weight, and changes of weight and endpoints end none', () =>
    play(async (bench) => {
      const { kube } = bench.cluster;
      await bench.connect(50);
      for (const weight of [0, 20, 100]) {
        await kube.apply(bench.manifests.canary(weight));
        await bench.live(10_000);
        const share = shareOfV2(await bench.connect(400));
        // Four standard deviations of a binomial of 400 draws.
        expect(Math.abs(share - weight / 100)).toBeLessThanOrEqual(
          4 * Math.sqrt((weight * (100 - weight)) / 1e4 / 400),
        );
      }
      await kube.patch('Service', bench.manifests.next, {
        spec: { selector: { app: 'gateway', version: 'none' } },
      });
      await bench.live(600_000);
      expect(endings(bench.clients)).toEqual(new Set([undefined]));
      expect(bench.of('hop')).toEqual([]);
    }));

  it('reloads when the main Ingress names another Service; its old workers end everything 240 s later', () =>
    play(async (bench) => {
      const before = await bench.connect(40);
      await bench.cluster.kube.apply(bench.manifests.ingress(bench.manifests.next));
      await bench.live(5000);
      const after = await bench.connect(10);
      expect(shareOfV2(after)).toBe(1);
      await bench.live(300_000);
      expect(endings(before)).toEqual(new Set(['fin']));
      expect(endings(after)).toEqual(new Set([undefined]));
      const reloads = bench.of('hop').filter(({ kept }) => kept);
      const ends = bench.of('hop').filter(({ kept }) => !kept);
      for (const events of [reloads, ends])
        expect(events.reduce((sum, { connections = 0 }) => sum + connections, 0)).toBe(40);
      for (const end of ends) {
        const reload = reloads.find(({ hop }) => hop === end.hop);
        expect(end.at - (reload?.at ?? 0)).toBe(240_000);
      }
    }));

  it('ends who is silent for proxy-read-timeout, which the annotation raises', async () => {
    const silent = (changes: Partial<Axes>, expected: 'fin' | undefined) =>
      play(async (bench) => {
        const [talker, mute] = (await bench.connect(2)) as [Client, Client];
        const began = bench.cluster.clock.now();
        for (let count = 0; count < 10; count++) {
          talker.socket.ping();
          await bench.sleep(20_000);
        }
        expect(talker.ending).toBeUndefined();
        expect(mute.ending?.how).toBe(expected);
        if (mute.endedAt !== undefined) expect(mute.endedAt - began).toBeLessThanOrEqual(60_000);
      }, changes);
    await silent({}, 'fin');
    await silent({ proxyReadTimeout: 3_600_000 }, undefined);
  });

  it("passes on a gateway's close frame, and its end without one", () =>
    play(
      async (bench) => {
        await bench.connect(20);
        const pods = await bench.cluster.kube.list('Pod', { version: 'v1' });
        await bench.cluster.call(nameOf(pods[0] ?? {}), '/drain?over=0&how=close');
        await bench.sleep(1000);
        const closed = bench.clients.filter(({ ending }) => ending !== undefined);
        expect(closed.map(({ ending }) => ending)).toContainEqual({
          how: 'close',
          code: 1012,
          reason: 'service restart',
        });
        await bench.cluster.kube.delete('Pod', nameOf(pods[1] ?? {}), { gracePeriod: 0 });
        await bench.live(5000);
        expect(endings(bench.clients)).toEqual(new Set(['close', 'fin']));
      },
      { drain: 'abrupt' },
    ));

  it('answers 503 when the main Service has no endpoint, whatever the weight of the canary', () =>
    play(async (bench) => {
      const { kube } = bench.cluster;
      await kube.apply(bench.manifests.canary(100));
      await kube.patch('Service', bench.manifests.main, {
        spec: { selector: { app: 'gateway', version: 'none' } },
      });
      await bench.sleep(10_000);
      const [client] = await bench.connect(1);
      expect(client?.ending).toEqual({ how: 'refused', why: 'Unexpected server response: 503' });
    }));

  it('keeps its connections for 240 s when its own pod is deleted', () =>
    play(async (bench) => {
      const pod = await bench.pod(bench.manifests.selector);
      await bench.connect(20);
      const deleted = bench.cluster.clock.now();
      await bench.cluster.kube.delete('Pod', pod);
      await bench.live(230_000);
      expect(endings(bench.clients)).toEqual(new Set([undefined]));
      await bench.live(20_000);
      const ended = bench.clients.filter(({ ending }) => ending !== undefined);
      expect(endings(ended)).toEqual(new Set(['fin']));
      for (const { endedAt = 0 } of ended) expect(endedAt - deleted).toBeGreaterThanOrEqual(240_000);
      expect(bench.of('hop').map(({ hop }) => hop)).toEqual([pod, pod]);
    }));

  it.each(['nginx-gateway-fabric', 'envoy-gateway'] as const)(
    'splits by the weights of one HTTPRoute, and ends nobody (%s)',
    (ingress) =>
      play(
        async (bench) => {
          const { kube } = bench.cluster;
          await kube.apply(bench.manifests.route(0));
          await bench.sleep(10_000);
          expect(shareOfV2(await bench.connect(50))).toBe(0);
          await kube.apply(bench.manifests.route(50));
          await bench.live(10_000);
          expect(Math.abs(shareOfV2(await bench.connect(400)) - 0.5)).toBeLessThan(0.1);
          await bench.live(300_000);
          expect(endings(bench.clients)).toEqual(new Set([undefined]));
        },
        { ingressApi: 'gateway-api', ingress },
      ),
  );
});
