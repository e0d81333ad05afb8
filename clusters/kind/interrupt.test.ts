import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InterruptedError } from '../../harness/errors.ts';
import { command } from '../command.ts';
import { leaseHolder } from '../kubernetes/lease/lease.ts';
import { BalancerBoxes } from './balancer-boxes.ts';
import { createKindCluster } from './kind-cluster.ts';

/** docker and kind that answer from what they are asked, write down what they were told, and hang in command number $HANG. */
const FAKE = `#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/told"
if [ "$(wc -l < "$here/told")" -eq "$(cat "$here/hang")" ]; then sleep 600 & wait; fi
case "$*" in
  'get nodes '*) echo x-worker; echo x-control-plane ;;
  'container inspect '*) echo '[{"Name":"/x-worker","NetworkSettings":{"Networks":{"net":{"IPAddress":"172.18.0.9"}}}}]' ;;
esac
`;

let directory = '';
const path = process.env.PATH;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'onedrop-fake-kind-'));
  for (const name of ['docker', 'kind']) {
    writeFileSync(join(directory, name), FAKE);
    chmodSync(join(directory, name), 0o755);
  }
  process.env.PATH = `${directory}${delimiter}${path}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(directory, { recursive: true, force: true });
});

const told = () =>
  existsSync(join(directory, 'told')) ? readFileSync(join(directory, 'told'), 'utf8').trim().split('\n') : [];

/** Begins something, and interrupts it as soon as command number `hang` hangs; says whether one did. */
async function interrupted(hang: number, begin: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
  rmSync(join(directory, 'told'), { force: true });
  writeFileSync(join(directory, 'hang'), String(hang));
  const controller = new AbortController();
  let ended = false;
  const begun = begin(controller.signal)
    .then(
      () => undefined,
      (error: Error) => error,
    )
    .finally(() => {
      ended = true;
    });
  while (!ended && told().length < hang) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  const error = await begun;
  if (error !== undefined) expect(error).toBeInstanceOf(InterruptedError);
  return error !== undefined;
}

test('whichever command of its creation hangs, a kind cluster ends with the first interruption and is deleted', async () => {
  const name = `onedrop-kind-test-${process.pid}`;
  const shape = { nodes: 1, proxyMode: 'iptables', image: undefined } as const;
  const create = (signal: AbortSignal) =>
    createKindCluster({ name, shape, keep: false, retain: false, gatewayImage: undefined, signal });
  let hang = 1;
  for (; await interrupted(hang, create); hang++) {
    const after = told().slice(hang);
    expect(after.some((line) => line.startsWith(`kind delete cluster --name ${name}`))).toBe(true);
    expect(await leaseHolder(name)).toBe('unknown');
  }
  // Image, cluster, workers, loading, kubeconfig and the mark, at least.
  expect(hang).toBeGreaterThan(7);
}, 60_000);

test('a balancer that is interrupted while it starts is removed, whether its container came to be or not', async () => {
  let hang = 1;
  const start = async (signal: AbortSignal) => {
    await using boxes = await BalancerBoxes.open(command, {
      lease: 'onedrop-kind-cell-test',
      image: 'image',
      network: 'net',
      nodes: [{ name: 'x-worker', address: '172.18.0.2', mac: '02:00:00:00:00:02' }],
      tcpLoose: '1',
      signal,
    });
    await boxes.address('gateway');
    // What follows is clean-up, which nobody interrupts.
    writeFileSync(join(directory, 'hang'), '0');
  };
  for (; await interrupted(hang, start); hang++) {
    const begun = told().some((line) => line.startsWith('docker run'));
    const removed = told().some(
      (line) => line.startsWith('docker rm --force') && line.endsWith('-balancer-gateway'),
    );
    expect(removed).toBe(begun);
  }
  expect(hang).toBeGreaterThan(5);
}, 60_000);
