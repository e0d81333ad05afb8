import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Clock } from '../../../harness/time/clock.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { VirtualClock } from '../../../harness/time/virtual-clock.ts';
import { checkHealth } from './health-check.ts';

/** A timeout on this clock never passes. */
const clock = new VirtualClock();

async function answering(status: number | undefined) {
  const server = createServer((request, response) => {
    if (status !== undefined) response.writeHead(request.url === '/healthz' ? status : 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const ask = (port: number, on: Clock = clock) =>
  new Promise<boolean>((resolve) => checkHealth(on, { host: '127.0.0.1', port, timeout: 1000 }, resolve));

test('200 is healthy; 503, which a node without local endpoints answers, is not', async () => {
  await using good = await answering(200);
  await using bad = await answering(503);
  expect(await ask(good.port)).toBe(true);
  expect(await ask(bad.port)).toBe(false);
});

test('a port that refuses, or does not answer in time, is not healthy', async () => {
  await using silent = await answering(undefined);
  const { port } = await answering(200).then(async (server) => {
    await server[Symbol.asyncDispose]();
    return server;
  });
  expect(await ask(port)).toBe(false);
  expect(await ask(silent.port, new ScaledClock(20))).toBe(false);
});
