import type { V1EndpointSlice } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import { HarnessError } from '../../../harness/errors.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { VirtualClock } from '../../../harness/time/virtual-clock.ts';
import { ingressWorkload } from '../../../harness/workload/ingress-workload.ts';
import type { Context } from '../context.ts';
import { SERVICE_NAME } from '../controllers/endpoint-slice.ts';
import type { PodProcess } from '../machine.ts';
import { Store } from '../store/store.ts';
import { TestMachine } from '../test-machine.ts';
import type { IngressConfig } from './ingress.ts';
import { IngressDriver } from './ingress-driver.ts';

const axes = defaultAxes();
const { ingress, canary, main, next, service, controller } = ingressWorkload(axes);

const slice = (name: string, address: string): V1EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-1`, labels: { [SERVICE_NAME]: name } },
  addressType: 'IPv4',
  ports: [{ name: 'ws', port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: [address], conditions: { ready: true } }],
});

interface Call {
  readonly at: number;
  readonly config: IngressConfig;
  readonly reload: boolean;
}

/** A store with one controller pod whose process keeps what it is told. */
class Bench {
  readonly clock = new VirtualClock();
  readonly store = new Store(new Random('store'));
  readonly calls: Call[] = [];
  readonly failures: unknown[] = [];
  process: PodProcess | undefined = this.makeProcess();
  /** What a call of configure fails with. */
  refuses: Error | undefined;

  constructor() {
    const context: Context = {
      clock: this.clock,
      random: new Random('driver'),
      machine: new TestMachine(this.clock),
      store: this.store,
      axes,
      record() {},
      fail: (error) => this.failures.push(error),
    };
    new IngressDriver(context, () => this.process);
    for (const [name, version] of [
      [main, 'v1'],
      [next, 'v2'],
    ] as const) {
      this.store.apply(service(name, version), 0);
      this.store.apply(slice(name, `10.244.1.${version[1]}`), 0);
    }
    this.store.apply(ingress(main), 0);
  }

  makeProcess(): PodProcess {
    return {
      probe() {},
      signal() {},
      post: async () => {},
      configure: async (config, reload) => {
        if (this.refuses !== undefined) throw this.refuses;
        this.calls.push({ at: this.clock.now(), config, reload });
      },
    };
  }

  /** The pod runs, or something of its status has changed. */
  podChanged(): void {
    const now = this.clock.now();
    const spec = controller.spec?.template.spec;
    if (spec === undefined) throw new Error('no pod template');
    if (this.store.get('Pod', 'ingress-1') === undefined)
      this.store.create({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'ingress-1' }, spec }, now);
    else this.store.update('Pod', 'ingress-1', (pod) => ({ ...pod, status: { phase: 'Running' } }));
  }

  run(story: () => Promise<void>): Promise<void> {
    return this.clock.run(story);
  }
}

it('tells a new controller everything with a reload, and afterwards only what has changed', async () => {
  const bench = new Bench();
  await bench.run(async () => {
    bench.podChanged();
    await bench.clock.sleep(5000);
    bench.podChanged();
    bench.store.apply(ingress(main), bench.clock.now());
    await bench.clock.sleep(5000);
    bench.store.apply(canary(5), bench.clock.now());
    await bench.clock.sleep(5000);
    bench.store.apply(ingress(next), bench.clock.now());
    await bench.clock.sleep(5000);
  });
  expect(bench.calls.map(({ reload }) => reload)).toEqual([true, false, true]);
});

it('syncs at most once in 3.3 s, and then with what is so by then', async () => {
  const bench = new Bench();
  await bench.run(async () => {
    bench.podChanged();
    await bench.clock.sleep(10_000);
    for (let weight = 0; weight <= 50; weight++) {
      bench.store.apply(canary(weight), bench.clock.now());
      await bench.clock.sleep(100);
    }
    await bench.clock.sleep(10_000);
  });
  const times = bench.calls.slice(1).map(({ at }) => at);
  expect(times).toHaveLength(3);
  for (const [index, at] of times.slice(1).entries())
    expect(at - (times[index] as number)).toBeGreaterThanOrEqual(3333);
});

it('begins anew with a process that was started anew', async () => {
  const bench = new Bench();
  await bench.run(async () => {
    bench.podChanged();
    await bench.clock.sleep(5000);
    bench.process = bench.makeProcess();
    bench.podChanged();
    await bench.clock.sleep(5000);
  });
  expect(bench.calls.map(({ reload }) => reload)).toEqual([true, true]);
});

it('takes a refusal for a fault of the machine, unless the process has gone', async () => {
  for (const isGone of [false, true]) {
    const bench = new Bench();
    bench.refuses = new HarnessError('no');
    await bench.run(async () => {
      bench.podChanged();
      if (isGone) bench.process = undefined;
      await bench.clock.sleep(5000);
    });
    expect(bench.failures).toEqual(isGone ? [] : [bench.refuses]);
  }
});
