import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { VirtualClock } from '../../../harness/time/virtual-clock.ts';
import { GatewayLoad, processorTime } from './gateway-load.ts';

let scrapes = 0;
const server = createServer((_request, response) =>
  response.end(JSON.stringify({ connections: 40 + scrapes++, version: 'v1' })),
);
await new Promise<void>((resolve) => server.listen(0, resolve));
afterAll(() => void server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/connections`;

const busy = (milliseconds: number) => {
  const begun = process.cpuUsage().user;
  while (process.cpuUsage().user - begun < milliseconds * 1000);
};

it('tells the processor time of a process as the kernel counts it', () => {
  const before = processorTime(process.pid) as number;
  busy(50);
  const used = (processorTime(process.pid) as number) - before;
  expect(used).toBeGreaterThan(45);
  expect(processorTime(2 ** 22 + 1)).toBeUndefined();
});

it('tells use in millicores of model time since it was last asked', async () => {
  const clock = new VirtualClock();
  const load = new GatewayLoad(clock, process.pid, url);
  await clock.run(async () => {
    await clock.sleep(1000);
    load.usage();
    expect(load.usage()).toBeUndefined();
    busy(50);
    await clock.sleep(10_000);
    // 50 ms of 10 s are 5 millicores; the test itself works as well.
    expect(load.usage()).toBeGreaterThan(4.5);
  });
});

it('adds the processor time that a limited gateway spends in model time only', async () => {
  const clock = new VirtualClock();
  const load = new GatewayLoad(clock, process.pid, url);
  await clock.run(async () => {
    await clock.sleep(1000);
    load.usage();
    load.spent(4000);
    await clock.sleep(10_000);
    expect(load.usage()).toBeGreaterThanOrEqual(400);
  });
});

it('answers metrics from the scrape before', async () => {
  const load = new GatewayLoad(new VirtualClock(), process.pid, url);
  expect(load.metric('connections')).toBeUndefined();
  await expect.poll(() => load.metric('connections')).toBeGreaterThanOrEqual(40);
  expect(load.metric('version')).toBeUndefined();
});
