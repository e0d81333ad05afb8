import type { V1PodDisruptionBudget } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { type Axes, defaultAxes } from '../../harness/contracts/axes.ts';
import type { Event, Timed } from '../../harness/contracts/event.ts';
import { Random } from '../../harness/statistics/random.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import { workload } from '../../harness/workload/workload.ts';
import { ControlPlane } from './control-plane.ts';
import { nameOf } from './store/objects.ts';
import { isPodReady } from './store/pods.ts';
import { TestMachine } from './test-machine.ts';

const V1 = { app: 'gateway', version: 'v1' };
const V2 = { app: 'gateway', version: 'v2' };

class Bench {
  readonly clock = new VirtualClock();
  readonly machine = new TestMachine(this.clock);
  readonly events: Timed[] = [];
  readonly axes: Axes;
  readonly workload;
  readonly plane: ControlPlane;

  constructor(changes: Partial<Axes> = {}, seed = 7) {
    this.axes = defaultAxes(changes);
    this.workload = workload(this.axes);
    this.plane = new ControlPlane({
      clock: this.clock,
      random: new Random(seed),
      machine: this.machine,
      record: (event: Event) => this.events.push(event as Timed),
      axes: this.axes,
    });
  }

  get kube() {
    return this.plane.kube;
  }

  /** v1 in service behind the balancer. */
  async serve(): Promise<void> {
    await this.plane.start();
    await this.kube.apply(this.workload.deployment('v1'));
    await this.kube.apply(this.workload.loadBalancer(V1));
    await this.plane.reachable('gateway', 120_000);
  }

  async until(check: () => Promise<boolean>, limit: Millis = 600_000): Promise<Millis> {
    const end = this.clock.now() + limit;
    while (!(await check())) {
      if (this.clock.now() > end) throw new Error(`not reached by ${this.clock.now()}`);
      await this.clock.sleep(100);
    }
    return this.clock.now();
  }

  of<T extends Timed['type']>(type: T, since: Millis = 0) {
    return this.events.filter(
      (event): event is Extract<Timed, { type: T }> => event.type === type && event.at >= since,
    );
  }
}

async function run(
  changes: Partial<Axes>,
  main: (bench: Bench) => Promise<void>,
  seed?: number,
): Promise<Bench> {
  const bench = new Bench(changes, seed);
  await bench.clock.run(async () => {
    await using _plane = bench.plane;
    await main(bench);
  });
  return bench;
}

it('brings up nodes in their zones, a Deployment, and a Service that clients can reach', async () => {
  await run({ pods: 3 }, async (bench) => {
    await bench.serve();
    const nodes = await bench.kube.list('Node');
    expect(nodes.map((node) => node.metadata?.labels?.['topology.kubernetes.io/zone'])).toEqual([
      'zone-a',
      'zone-b',
      'zone-c',
    ]);
    const pods = await bench.kube.list('Pod');
    expect(new Set(pods.map((pod) => pod.spec?.nodeName)).size).toBe(3);
    expect(pods.every(isPodReady)).toBe(true);
    expect(bench.plane.address('gateway')).toEqual({ address: '172.18.255.200', port: 80 });
    const deployment = await bench.kube.get('Deployment', 'gateway-v1');
    expect(deployment?.status).toMatchObject({
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    });
    expect(bench.machine.pods[0]?.start.env).toMatchObject({ VERSION: 'v1', PORT: '8080' });
  });
});

it('a selector flip away from all pods: rules reject within a second or two, Local fails its checks in 16 to 25 s', async () => {
  await run({ policy: 'Local' }, async (bench) => {
    await bench.serve();
    const flipped = bench.clock.now();
    await bench.kube.patch('Service', 'gateway', { spec: { selector: { version: 'v2' } } });
    await bench.clock.sleep(40_000);
    const [endpoints] = bench.of('endpoints', flipped);
    expect(endpoints?.endpoints).toEqual([]);
    expect((endpoints?.at ?? 0) - flipped).toBeLessThan(50);
    const proxies = bench.of('proxy', flipped);
    expect(proxies.map(({ rules }) => rules)).toEqual(['reject', 'reject', 'reject']);
    for (const { at } of proxies) expect(at - flipped).toBeLessThan(1300);
    const open = bench.of('balancer', flipped).find(({ failOpen }) => failOpen);
    expect((open?.at ?? 0) - flipped).toBeGreaterThan(16_000);
    expect((open?.at ?? 0) - flipped).toBeLessThan(26_500);
  });
});

it('with policy Cluster a flip changes no health check and leaves the balancer as it is', async () => {
  await run({ policy: 'Cluster' }, async (bench) => {
    await bench.serve();
    const flipped = bench.clock.now();
    await bench.kube.patch('Service', 'gateway', { spec: { selector: { version: 'v2' } } });
    await bench.clock.sleep(60_000);
    expect(bench.of('balancer', flipped)).toEqual([]);
    expect(bench.of('proxy', flipped).map(({ rules }) => rules)).toEqual(['reject', 'reject', 'reject']);
  });
});

it('a change of the traffic policy recreates the forwarding rule: nothing is forwarded meanwhile, and the generation moves', async () => {
  await run({ policy: 'Local' }, async (bench) => {
    await bench.serve();
    const changed = bench.clock.now();
    await bench.kube.patch('Service', 'gateway', { spec: { externalTrafficPolicy: 'Cluster' } });
    await bench.plane.reachable('gateway', 60_000);
    const tables = bench.machine.programs.filter(({ at }) => at >= changed);
    expect(tables[0]?.table).toEqual([]);
    expect(tables[1]?.table[0]?.generation).toBe(2);
    expect((tables[1]?.at ?? 0) - (tables[0]?.at ?? 0)).toBe(5000);
    expect(bench.of('balancer', changed).map(({ recreated }) => recreated)).toContain(true);
    expect((await bench.kube.get('Service', 'gateway'))?.spec?.healthCheckNodePort).toBeUndefined();
  });
});

it('a deliberate readiness failure is noticed after 20 to 30 s, and the pod leaves the endpoints but lives on', async () => {
  for (const seed of [1, 2, 3, 4])
    await run(
      {},
      async (bench) => {
        await bench.serve();
        const [pod] = await bench.kube.list('Pod');
        const name = nameOf(pod ?? {});
        const failed = bench.clock.now();
        await bench.plane.call(name, '/fail-readiness');
        await bench.clock.sleep(40_000);
        const event = bench.of('pod', failed).find(({ ready }) => !ready);
        expect(event).toMatchObject({ pod: name, phase: 'running', why: 'readinessProbe failed' });
        expect((event?.at ?? 0) - failed).toBeGreaterThan(20_000);
        expect((event?.at ?? 0) - failed).toBeLessThanOrEqual(30_001);
        expect(bench.of('endpoints', failed)[0]?.endpoints).toMatchObject([{ ready: false, serving: false }]);
        expect(bench.machine.pod(name).gone).toBe(false);
      },
      seed,
    );
});

it('deleting a pod runs preStop inside the grace period, then SIGTERM, then SIGKILL, while it stays serving', async () => {
  await run({ preStop: 5000, grace: 20_000 }, async (bench) => {
    await bench.serve();
    bench.machine.script.exit = undefined;
    const [pod] = await bench.kube.list('Pod');
    const name = nameOf(pod ?? {});
    const deleted = bench.clock.now();
    await bench.kube.delete('Pod', name);
    await bench.until(async () => (await bench.kube.get('Pod', name)) === undefined);
    const told = bench.of('pod', deleted).filter((event) => event.pod === name && event.why !== undefined);
    expect(told.map(({ why }) => why)).toEqual(['preStop', 'SIGTERM', 'SIGKILL', 'SIGKILL']);
    const at = told.map((event) => event.at - deleted);
    expect(at[1]).toBeGreaterThanOrEqual(5000);
    expect(at[1]).toBeLessThan(5100);
    expect((at[2] ?? 0) - (at[0] ?? 0)).toBe(20_000);
    const listed = bench.of('endpoints', deleted)[0]?.endpoints.find((endpoint) => endpoint.pod === name);
    expect(listed).toMatchObject({ ready: false, serving: true, terminating: true });
  });
});

it('a rolling update never has fewer than the allowed ready, and ends with new pods only', async () => {
  await run({ pods: 4, maxSurge: '1', maxUnavailable: '0' }, async (bench) => {
    await bench.plane.start();
    const deployment = (version: 'v1' | 'v2') => bench.workload.deployment(version, { name: 'gateway' });
    await bench.kube.apply(deployment('v1'));
    const complete = async () => {
      const found = await bench.kube.get('Deployment', 'gateway');
      const status = found?.status;
      return (
        status?.observedGeneration === found?.metadata?.generation &&
        status?.updatedReplicas === 4 &&
        status.availableReplicas === 4 &&
        status.replicas === 4
      );
    };
    await bench.until(complete);
    const started = bench.clock.now();
    await bench.kube.apply(deployment('v2'));
    const done = await bench.until(complete);
    expect(done - started).toBeLessThan(4 * 13_000);
    for (const { ready } of bench.of('replicas', started)) expect(ready).toBeGreaterThanOrEqual(4);
    const pods = (await bench.kube.list('Pod')).filter((pod) => !pod.metadata?.deletionTimestamp);
    expect(pods.map((pod) => pod.metadata?.labels?.version)).toEqual(['v2', 'v2', 'v2', 'v2']);
    expect((await bench.kube.list('ReplicaSet')).map((set) => set.spec?.replicas).sort()).toEqual([0, 4]);
  });
});

it('a crashing container is restarted at once, then with a back-off that doubles from 10 s', async () => {
  await run({}, async (bench) => {
    await bench.serve();
    const starts = () => bench.machine.pods.length;
    bench.machine.pods[0]?.die('exit 1');
    await bench.clock.sleep(200);
    expect(starts()).toBe(2);
    bench.machine.pods[1]?.die('exit 1');
    await bench.clock.sleep(9900);
    expect(starts()).toBe(2);
    await bench.clock.sleep(300);
    expect(starts()).toBe(3);
    expect((await bench.kube.list('Pod'))[0]?.status?.containerStatuses?.[0]?.restartCount).toBe(2);
  });
});

it('deleting a Deployment takes its pods along, gracefully', async () => {
  await run({ pods: 2 }, async (bench) => {
    await bench.serve();
    await bench.kube.delete('Deployment', 'gateway-v1');
    await bench.until(async () => (await bench.kube.list('Pod')).length === 0, 5000);
    expect(await bench.kube.list('ReplicaSet')).toEqual([]);
    expect(bench.machine.pods.every(({ signals }) => signals[0] === 'SIGTERM')).toBe(true);
  });
});

it('a node whose machine goes leaves the pool at once, its pods are replaced when the API believes it', async () => {
  await run({ pods: 3 }, async (bench) => {
    await bench.serve();
    const removed = bench.clock.now();
    await bench.plane.removeNode('node-2');
    await bench.clock.sleep(1000);
    const backends = () => bench.machine.programs.at(-1)?.table[0]?.backends.map(({ name }) => name);
    expect(backends()).toEqual(['node-1', 'node-3']);
    const replaced = await bench.until(async () =>
      (await bench.kube.list('Pod')).every((pod) => pod.spec?.nodeName !== 'node-2' && isPodReady(pod)),
    );
    expect(replaced - removed).toBeGreaterThan(70_000);
    expect(replaced - removed).toBeLessThan(120_000);
    expect(bench.of('node').map(({ node, change }) => `${node} ${change}`)).toContain('node-2 removed');
    expect(await bench.plane.addNode()).toBe('node-4');
    await bench.clock.sleep(15_000);
    expect(bench.machine.programs.at(-1)?.table[0]?.backends).toMatchObject(
      ['node-1', 'node-3', 'node-4'].map((name) => ({ name, healthy: true })),
    );
  });
});

it('a machine that is switched off stays a node and a backend, and runs its pods again once it is on', async () => {
  await run({ pods: 3 }, async (bench) => {
    await bench.serve();
    const pods = bench.machine.pods.length;
    await bench.plane.off('node-2');
    await bench.clock.sleep(100_000);
    const node = (await bench.kube.list('Node')).find(({ metadata }) => metadata?.name === 'node-2');
    expect(node?.status?.conditions?.[0]?.status).toBe('Unknown');
    expect(node?.spec?.taints?.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
    expect(
      bench.machine.programs.at(-1)?.table[0]?.backends.map(({ node, healthy }) => [node, healthy]),
    ).toEqual([
      ['node-1', true],
      ['node-2', false],
      ['node-3', true],
    ]);
    await bench.plane.on();
    await bench.until(async () => (await bench.kube.list('Pod')).every(isPodReady), 5000);
    expect(bench.machine.pods.slice(pods).map(({ start }) => start.node)).toEqual(['node-2']);
    expect((await bench.kube.get('Node', 'node-2'))?.spec?.taints).toBeUndefined();
    expect(
      bench
        .of('node')
        .map(({ node, change }) => `${node} ${change}`)
        .slice(-2),
    ).toEqual(['node-2 off', 'node-2 on']);
  });
});

it('pods of a machine without power are deleted after 300 s and stay so until it is on, or its Node is deleted', async () => {
  await run({ pods: 3 }, async (bench) => {
    await bench.serve();
    await bench.plane.off('node-2');
    const deleting = async () =>
      (await bench.kube.list('Pod')).filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
    await bench.clock.sleep(340_000);
    expect(await deleting()).toEqual([]);
    await bench.clock.sleep(60_000);
    expect((await deleting()).map(({ spec }) => spec?.nodeName)).toEqual(['node-2']);
    expect((await bench.kube.list('Pod')).filter(isPodReady)).toHaveLength(3);
    await bench.kube.delete('Node', 'node-2');
    await bench.until(async () => (await deleting()).length === 0, 61_000);
    await bench.plane.on();
    await bench.clock.sleep(15_000);
    expect(bench.machine.programs.at(-1)?.table[0]?.backends.map(({ node }) => node)).toEqual([
      'node-1',
      'node-2',
      'node-3',
    ]);
  });
});

it('a pod that a budget protects is evicted once the others are enough, with the grace that is asked for', async () => {
  await run({ pods: 2 }, async (bench) => {
    await bench.serve();
    await bench.kube.apply({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'gateway' },
      spec: { maxUnavailable: 1, selector: { matchLabels: V1 } },
    } as V1PodDisruptionBudget);
    await bench.clock.sleep(100);
    const [one, other] = (await bench.kube.list('Pod')).map(nameOf);
    bench.machine.script.exit = undefined;
    await bench.kube.evict(one ?? '', { gracePeriod: 3000 });
    await expect(bench.kube.evict(other ?? '')).rejects.toMatchObject({ reason: 'TooManyRequests' });
    expect((await bench.kube.get('Pod', one ?? ''))?.metadata?.deletionGracePeriodSeconds).toBe(3);
    expect((await bench.kube.get('PodDisruptionBudget', 'gateway'))?.status?.disruptionsAllowed).toBe(0);
    await bench.clock.sleep(4000);
    expect(bench.machine.pod(one ?? '').signals).toEqual(['SIGTERM', 'SIGKILL']);
    await bench.until(async () => (await bench.kube.list('Pod')).filter(isPodReady).length === 2, 15_000);
    await bench.clock.sleep(100);
    await bench.kube.evict(other ?? '');
    await bench.kube.evict('nobody');
  });
});

it.each([
  ['1.37', 50_000],
  ['1.31', 40_000],
] as const)(
  'Kubernetes %s takes a silent node for not ready after %i ms and up to 5 s',
  async (kubernetes, grace) => {
    await run({ kubernetes }, async (bench) => {
      await bench.plane.start();
      const removed = bench.clock.now();
      await bench.plane.removeNode('node-2');
      const noticed = await bench.until(async () => {
        const node = (await bench.kube.list('Node')).find(({ metadata }) => metadata?.name === 'node-2');
        return node?.status?.conditions?.[0]?.status !== 'True';
      });
      expect(noticed - removed).toBeGreaterThanOrEqual(grace);
      expect(noticed - removed).toBeLessThanOrEqual(grace + 5100);
    });
  },
);

it.each([
  ['1.37', 0, 1000],
  ['1.20', 1001, 10_000],
] as const)(
  'with Kubernetes %s the slowest of ten pods is ready %i to %i ms after it runs',
  async (kubernetes, least, most) => {
    await run({ kubernetes, pods: 10 }, async (bench) => {
      await bench.plane.start();
      await bench.kube.apply(bench.workload.deployment('v1'));
      await bench.clock.sleep(30_000);
      const waits = bench.machine.pods.map(({ start }) => {
        const of = bench.of('pod').filter(({ pod }) => pod === start.pod.metadata?.name);
        return (
          (of.find(({ ready }) => ready)?.at ?? 0) - (of.find(({ phase }) => phase === 'running')?.at ?? 0)
        );
      });
      expect(waits).toHaveLength(10);
      expect(Math.max(...waits)).toBeGreaterThanOrEqual(least);
      // Its startup probe is asked every second, and readiness after that.
      expect(Math.max(...waits)).toBeLessThanOrEqual(most + 1010);
    });
  },
);

it("a Service that prefers its zone is served by the endpoints of each node's zone", async () => {
  await run({ nodes: 3, pods: 3, trafficDistribution: 'PreferSameZone' }, async (bench) => {
    await bench.serve();
    for (const node of ['node-1', 'node-2', 'node-3']) {
      const text = JSON.stringify(bench.machine.rules.get(node)?.rules);
      const targets = new Set(text.match(/10\.244\.\d+\.\d+(?=:8080)/g));
      expect(
        [...targets].every((address) => address.startsWith(`10.244.${node.at(-1)}.`)),
        text,
      ).toBe(true);
      expect(targets.size).toBe(1);
    }
  });
});

it('kube-proxy syncs at most twice in quick succession and once a second after that', async () => {
  await run({ pods: 10 }, async (bench) => {
    await bench.serve();
    const start = bench.clock.now();
    for (let pods = 0; pods < 100; pods++) {
      await bench.kube.patch('Service', 'gateway', {
        spec: { ports: [{ name: 'ws', port: 80, targetPort: 8000 + pods }] },
      });
      await bench.clock.sleep(100);
    }
    const syncs = bench.machine.syncs.filter(({ node, at }) => node === 'node-1' && at >= start);
    expect(syncs.length).toBeGreaterThan(9);
    expect(syncs.length).toBeLessThanOrEqual(12);
  });
});

it('two runs of one seed log the same, another seed something else', async () => {
  const log = async (seed: number) => {
    const bench = await run(
      { pods: 5 },
      async (one) => {
        await one.serve();
        await one.kube.apply(one.workload.deployment('v2'));
        await one.clock.sleep(60_000);
        await one.kube.patch('Service', 'gateway', { spec: { selector: { ...V2 } } });
        await one.clock.sleep(60_000);
      },
      seed,
    );
    return bench.events.map((event) => JSON.stringify(event)).join('\n');
  };
  const first = await log(1);
  expect(await log(1)).toBe(first);
  expect(await log(2)).not.toBe(first);
});

it('the autoscaler follows CPU up within half a minute, and down after five minutes', async () => {
  await run({ pods: 2 }, async (bench) => {
    await bench.plane.start();
    const deployment = bench.workload.deployment('v1');
    const container = deployment.spec?.template.spec?.containers[0];
    if (container) container.resources = { requests: { cpu: '1' } };
    await bench.kube.apply(deployment);
    await bench.clock.sleep(330_000);
    const load = async (millicores: number) => {
      for (const pod of await bench.kube.list('Pod')) bench.machine.usages.set(nameOf(pod), millicores);
    };
    await load(900);
    await bench.kube.apply({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'gateway' },
      spec: {
        minReplicas: 1,
        maxReplicas: 10,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gateway-v1' },
        metrics: [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
          },
        ],
      },
    });
    const size = async () => (await bench.kube.get('Deployment', 'gateway-v1'))?.spec?.replicas;
    const up = bench.clock.now();
    expect((await bench.until(async () => (await size()) === 4)) - up).toBeLessThan(30_000);
    expect(bench.of('autoscaler').at(-1)).toMatchObject({ target: 'gateway-v1', current: 2, desired: 4 });
    await load(100);
    const quiet = bench.clock.now();
    const down = (await bench.until(async () => (await size()) === 1)) - quiet;
    expect(down).toBeGreaterThan(270_000);
    expect(down).toBeLessThan(345_000);
  });
});

it('an autoscaler on an external Value shrinks when readiness fails on purpose, the failing pods first', async () => {
  await run({ pods: 4 }, async (bench) => {
    await bench.serve();
    bench.machine.metrics.set('connections', 400);
    await bench.kube.apply({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'gateway' },
      spec: {
        minReplicas: 1,
        maxReplicas: 10,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gateway-v1' },
        metrics: [
          {
            type: 'External',
            external: { metric: { name: 'connections' }, target: { type: 'Value', value: '300' } },
          },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 0 }, scaleUp: { selectPolicy: 'Disabled' } },
      },
    });
    const pods = (await bench.kube.list('Pod')).map(nameOf);
    const failing = pods.slice(0, 3);
    for (const pod of failing) await bench.plane.call(pod, '/fail-readiness');
    await bench.clock.sleep(120_000);
    const left = (await bench.kube.list('Pod')).map(nameOf);
    expect((await bench.kube.get('Deployment', 'gateway-v1'))?.spec?.replicas).toBe(2);
    expect(left).toContain(pods[3]);
    expect(left).toHaveLength(2);
  });
});

const TAINT = { spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } };

it('a node about to be deleted stays a backend, and fails its health check with policy Cluster', async () => {
  await run({}, async (bench) => {
    await bench.serve();
    const tainted = bench.clock.now();
    await bench.kube.patch('Node', 'node-3', TAINT);
    await bench.clock.sleep(60_000);
    const [event] = bench.of('balancer', tainted);
    expect(event?.backends).toEqual([
      { node: 'node-1', healthy: true },
      { node: 'node-2', healthy: true },
      { node: 'node-3', healthy: false },
    ]);
    expect((event?.at ?? 0) - tainted).toBeGreaterThan(16_000);
  });
});

it('before the stable node set such a node left the pool at once', async () => {
  await run({ kubernetes: '1.22' }, async (bench) => {
    await bench.serve();
    const tainted = bench.clock.now();
    await bench.kube.patch('Node', 'node-3', TAINT);
    await bench.clock.sleep(60_000);
    const [event] = bench.of('balancer', tainted);
    expect(event?.backends.map(({ node }) => node)).toEqual(['node-1', 'node-2']);
    expect((event?.at ?? 0) - tainted).toBeLessThan(4000);
  });
});

it('a Node deleted through the API goes with its machine, and the next one joins by being applied', async () => {
  await run({}, async (bench) => {
    await bench.serve();
    await bench.kube.delete('Node', 'node-3');
    expect([...bench.machine.nodes.keys()]).toEqual(['node-1', 'node-2']);
    await bench.kube.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-4' } });
    expect([...bench.machine.nodes.keys()]).toEqual(['node-1', 'node-2', 'node-4']);
    await expect(bench.kube.apply({ kind: 'Node', metadata: { name: 'mine' } })).rejects.toThrow('node-5');
    await bench.plane.reachable('gateway', 60_000);
  });
});
