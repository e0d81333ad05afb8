import { expect, it } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import type { Cluster } from '../../harness/contracts/cluster.ts';
import type { Event } from '../../harness/contracts/event.ts';
import { Random } from '../../harness/statistics/random.ts';
import { workload } from '../../harness/workload/workload.ts';
import { sim } from './sim.ts';

const axes = defaultAxes({ policy: 'Local', pods: 2 });

/** Two pods behind a balancer, ten clients and a control client that ping, and a Service that then selects nothing. */
async function story(seed: number): Promise<{ events: Event[]; heard: string[] }> {
  const events: Event[] = [];
  const heard: string[] = [];
  await using cluster = await sim.open(
    { axes, name: 'test' },
    {
      record: (event) => events.push(event),
      random: new Random(seed),
      directory: '.',
      signal: new AbortController().signal,
    },
  );
  const { service, deployment, loadBalancer } = workload(axes);
  await cluster.clock.run(async () => {
    await cluster.kube.apply(deployment('v1'));
    await cluster.kube.apply(loadBalancer({ version: 'v1' }));
    await cluster.reachable(service, 600_000);
    const sockets = Array.from({ length: 10 }, (_, number) => dial(cluster, 'fleet', number, heard));
    const control = dial(cluster, 'control', 0, heard);
    await cluster.clock.sleep(1000);
    await cluster.kube.patch('Service', service, { spec: { selector: { version: 'none' } } });
    await cluster.clock.sleep(40_000);
    heard.push('flipped');
    for (const socket of [...sockets, control]) socket.ping();
  });
  return { events, heard };
}

const dial = (cluster: Cluster, group: 'fleet' | 'control', number: number, heard: string[]) =>
  cluster.dial(
    { group, number, service: 'gateway' },
    {
      opened: ({ version }) => heard.push(`${group} ${number} opened ${version}`),
      answered: () => heard.push(`${group} ${number} answered`),
      asked: () => heard.push(`${group} ${number} asked`),
      closed: ({ how }) => heard.push(`${group} ${number} closed ${how}`),
    },
  );

it('serves clients through the whole embedded cluster, and loses some of them to a flip', async () => {
  const { events, heard } = await story(1);
  const flipped = heard.indexOf('flipped');
  expect(heard.slice(0, flipped).filter((line) => line.includes('opened v1'))).toHaveLength(10);
  const answered = heard.slice(flipped).filter((line) => line.startsWith('fleet'));
  expect(answered.length).toBeLessThan(10);
  expect(heard).toContain('control 0 answered');
  const fates = events.filter((event) => event.type === 'fate');
  expect(fates).toHaveLength(10 - answered.length);
});

it('writes the same log for the same seed, and another for another', async () => {
  const log = async (seed: number) => JSON.stringify(await story(seed));
  const first = await log(7);
  expect(await log(7)).toBe(first);
  expect(await log(8)).not.toBe(first);
});

it('refuses a client of a Service that has no address', async () => {
  await using cluster = await sim.open(
    { axes, name: 'test' },
    { record: () => {}, random: new Random(1), directory: '.', signal: new AbortController().signal },
  );
  const heard: string[] = [];
  await cluster.clock.run(async () => {
    dial(cluster, 'fleet', 0, heard);
    expect(heard).toEqual([]);
    await cluster.clock.sleep(1);
  });
  expect(heard).toEqual(['fleet 0 closed refused']);
});
