import { expect, test } from 'vitest';
import type { TimedEvent } from '../../harness/contracts/event.ts';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import { NodePower } from './node-power.ts';

const WORKER = 'onedrop-a-worker2';
const NODE = {
  metadata: { name: WORKER, uid: 'old', labels: { zone: 'a' }, annotations: {} },
  spec: { podCIDR: '10.244.2.0/24', podCIDRs: ['10.244.2.0/24'] },
};

/** An engine that answers what a real one would; `gone`: the Node was deleted meanwhile. */
async function engine(gone: boolean, now: object = NODE) {
  const asked: string[] = [];
  const inputs: string[] = [];
  const seen: TimedEvent[] = [];
  const clock = new VirtualClock();
  const run = async (file: string, words: readonly string[], { input = '' }: { input?: string } = {}) => {
    const line = [file, ...words].join(' ').replace('docker exec --interactive ', '');
    asked.push(line);
    if (input !== '') inputs.push(input);
    if (line.includes('route show'))
      return 'default via 172.18.0.1 \n10.244.0.0/24 via 172.18.0.2 \n172.18.0.0/16 proto kernel scope link \n';
    if (line.includes('--output json')) return JSON.stringify({ items: [asked.length > 1 ? now : NODE] });
    if (line.includes(`get node ${WORKER}`) && gone) throw new Error('NotFound');
    return '';
  };
  const kind = { name: 'onedrop-a', workers: [{ name: WORKER, address: '', mac: '' }] };
  const observer = { seen: (event: TimedEvent) => void seen.push(event) };
  const power = await NodePower.open(kind, run, { clock, observer } as never);
  return { asked, inputs, seen, power };
}

test('a worker without power has no network, and its cluster is for nobody else until it is back', async () => {
  const { asked, seen, power } = await engine(false);
  await power.off(WORKER);
  expect(asked[1]).toContain('onedrop-a-control-plane rm -f');
  expect(asked.at(-1)).toBe(`${WORKER} ip link set eth0 down`);
  await power[Symbol.asyncDispose]();
  expect(asked).toContain(`${WORKER} ip route replace default via 172.18.0.1 dev eth0`);
  expect(asked).toContain(`${WORKER} ip route replace 10.244.0.0/24 via 172.18.0.2 dev eth0`);
  expect(asked.filter((line) => line.includes('172.18.0.0/16'))).toEqual([]);
  expect(asked).toContain(`${WORKER} systemctl restart kubelet`);
  expect(asked.some((line) => line.includes('onedrop-a-control-plane touch'))).toBe(true);
  expect(seen.map((event) => event.type === 'node' && event.change)).toEqual(['off', 'on']);
  expect(asked.filter((line) => line.includes('patch'))).toEqual([]);
});

test('a Node that was deleted is made anew as it was, with the same addresses for its pods', async () => {
  const { inputs, power } = await engine(true);
  await power.off(WORKER);
  await power.on();
  expect(inputs.map((input) => JSON.parse(input))).toEqual([
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: WORKER, labels: { zone: 'a' }, annotations: {} },
      spec: { podCIDR: '10.244.2.0/24', podCIDRs: ['10.244.2.0/24'] },
    },
  ]);
});

test('a node that is no worker of the cluster cannot be switched off', async () => {
  await expect((await engine(false)).power.off('somebody-else')).rejects.toMatchObject({
    reason: 'NotFound',
  });
});

test('what a cell that was interrupted left on a worker is taken off', async () => {
  const left = {
    metadata: { ...NODE.metadata, labels: { zone: 'a', drain: 'yes' } },
    spec: { ...NODE.spec, taints: [{ key: 'x', effect: 'NoSchedule' }] },
  };
  const { asked, power } = await engine(false, left);
  await power[Symbol.asyncDispose]();
  expect(asked.at(-1)).toContain(
    `patch node ${WORKER} --type merge --patch {"metadata":{"labels":{"drain":null}},"spec":{"unschedulable":null,"taints":null}}`,
  );
});
