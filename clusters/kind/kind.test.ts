import { describe, expect, test } from 'vitest';
import { type Axes, defaultAxes } from '../../harness/contracts/axes.ts';
import type { OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import { BalancerBoxes } from './balancer-boxes.ts';
import { createKind } from './kind.ts';
import { loadImages } from './kind-cluster.ts';
import { kindConfig } from './kind-config.ts';
import { imageVersion, NODE_IMAGES, nodeImage } from './node-image.ts';

describe('what kind is asked for', () => {
  test('a cluster has one control plane and workers over three zones', () => {
    const config = JSON.parse(kindConfig({ nodes: 4, proxyMode: 'nftables', image: undefined }));
    expect(config.networking).toEqual({ kubeProxyMode: 'nftables' });
    expect(config.nodes.map(({ role }: { role: string }) => role)).toEqual([
      'control-plane',
      ...Array(4).fill('worker'),
    ]);
    expect(config.nodes[4].labels).toEqual(config.nodes[1].labels);
    expect(config.nodes[2].labels).toEqual({ 'topology.kubernetes.io/zone': 'zone-b' });
  });

  test('a Kubernetes version names an image by its digest, and an image names itself', () => {
    expect(nodeImage('v1.34')).toBe(NODE_IMAGES['1.34']);
    expect(nodeImage('kindest/node:v1.20.2')).toBe('kindest/node:v1.20.2');
    for (const [version, image] of Object.entries(NODE_IMAGES)) {
      expect(image).toMatch(/^kindest\/node:v1\.\d+\.\d+@sha256:[0-9a-f]{64}$/);
      expect(imageVersion(image)?.join('.')).toBe(version);
    }
  });
});

describe('what cannot run on kind is refused before anything is made', () => {
  const refusal = (image: string | undefined, axes: Parameters<typeof defaultAxes>[0] = {}) => {
    const kind = createKind(image === undefined ? {} : { nodeImage: image });
    return kind.refuses(defaultAxes({ ...(kind.given?.() as Pick<Axes, 'kubernetes'>), ...axes }));
  };

  test('dataplanes that are no kube-proxy', () => {
    expect(refusal(undefined, { proxy: 'cilium-1.16' })).toMatch(/--cluster kubeconfig/);
  });

  test('nftables mode where Kubernetes is too old for it', () => {
    expect(refusal('1.29', { proxy: 'nftables' })).toMatch(/since Kubernetes 1.31/);
    expect(refusal('1.34', { proxy: 'nftables' })).toBeUndefined();
    expect(refusal(undefined, { proxy: 'nftables' })).toBeUndefined();
  });

  test('another release of Kubernetes than the node image runs', () => {
    expect(refusal('1.22')).toBeUndefined();
    expect(refusal('1.22', { kubernetes: '1.37' })).toMatch(
      /runs Kubernetes 1.22, not 1.37.*--node-image 1.37/,
    );
    expect(refusal('my/image', { kubernetes: '1.29' })).toBeUndefined();
    expect(refusal(undefined, { kubernetes: '1.29' })).toMatch(/--node-image 1.29/);
  });
});

test('what needs clients with addresses of their own is refused, for all dial from one machine', () => {
  const refuses = (changes: Partial<Axes>) => createKind().refuses(defaultAxes(changes));
  expect(refuses({ affinity: 'ClientIP' })).toMatch(/--affinity ClientIP: all clients dial from one machine/);
  expect(refuses({ clientsBehind: 7 })).toMatch(/--clients-behind 7: .*sim or netns/);
  expect(refuses({})).toBeUndefined();
});

test('the release of Kubernetes is that of the node image', () => {
  expect(createKind({ nodeImage: '1.22' }).given?.()).toEqual({ kubernetes: '1.22' });
  expect(createKind({ nodeImage: 'kindest/node:v1.36.4' }).given?.()).toEqual({ kubernetes: '1.36' });
  expect(createKind({ nodeImage: 'my/image' }).given?.()).toEqual({});
  expect(createKind().given?.()).toEqual({});
});

describe("the images of the user's own gateway", () => {
  const workers = ['w', 'w2'].map((name) => ({ name, address: '', mac: '' }));

  async function loaded(...images: string[]) {
    const ran: string[] = [];
    const run: OwnedCommand = async (file, args) => {
      ran.push([file, ...args].join(' '));
      if (args[1] === 'inspect' && args.at(-1)?.startsWith('here')) return 'sha256:1\n';
      if (args[1] === 'inspect') throw new Error('No such image');
      return '';
    };
    return { held: await loadImages({ run, name: 'c', workers }, images), ran };
  }

  test('are loaded onto the workers where the local engine has them, and left to be pulled where not', async () => {
    const { held, ran } = await loaded('here:1', 'here:2', 'there:1');
    expect(held).toEqual(['here:1', 'here:2']);
    expect(ran.filter((line) => line.startsWith('kind'))).toEqual([
      'kind load docker-image here:1 here:2 --name c --nodes w,w2',
    ]);
  });

  test('are pulled where their name is a digest, and nothing is loaded where none is here', async () => {
    const { held, ran } = await loaded('here@sha256:1', 'there:1');
    expect(held).toEqual([]);
    expect(ran).toEqual(['docker image inspect --format {{.Id}} there:1']);
  });
});

describe('the balancer in its containers', () => {
  const NODES = [
    { name: 'worker', address: '172.18.0.2', mac: '02:00:00:00:00:02' },
    { name: 'worker2', address: '172.18.0.3', mac: '02:00:00:00:00:03' },
  ];

  async function boxes() {
    const ran: { line: string; input: string }[] = [];
    const run: OwnedCommand = async (file, args, { input = '' } = {}) => {
      ran.push({ line: [file, ...args].join(' '), input });
      return args[1] === 'inspect'
        ? JSON.stringify([{ NetworkSettings: { Networks: { net: { IPAddress: '172.18.0.9' } } } }])
        : '';
    };
    const made = await BalancerBoxes.open(run, {
      lease: 'onedrop-kind-cell-x',
      image: 'node-image',
      network: 'net',
      nodes: NODES,
      tcpLoose: '0',
    });
    return { made, ran, line: (part: string) => ran.filter(({ line }) => line.includes(part)) };
  }

  test('nodes forward, neither announce nor answer for virtual addresses, and pick up flows as the axis says', async () => {
    const { line } = await boxes();
    const [prepared] = line('exec --interactive worker2 sysctl');
    expect(prepared?.line).toContain('net.ipv4.ip_forward=1');
    expect(prepared?.line).toContain('net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2');
    expect(prepared?.line).toContain('nf_conntrack_tcp_loose=0');
  });

  test('a Service gets one container whose address every node holds', async () => {
    const { made, line, ran } = await boxes();
    expect(await made.address('gateway')).toBe('172.18.0.9');
    expect(await made.address('gateway')).toBe('172.18.0.9');
    expect(line('docker run')).toHaveLength(1);
    expect(line('docker run')[0]?.line).toContain('--label onedrop.dev/lease=onedrop-kind-cell-x');
    for (const { name } of NODES)
      expect(line(`${name} ip route replace local 172.18.0.9 dev eth0 table local`)).toHaveLength(1);
    expect(ran.find(({ line }) => line.endsWith('balancer-gateway ip -batch -'))?.input).toBe(
      [
        'rule add pref 32700 lookup local',
        'rule delete pref 0',
        'neighbour replace 172.18.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent',
        'rule add pref 100 fwmark 1 lookup 1001',
        'route replace default via 172.18.0.2 dev eth0 table 1001',
        'neighbour replace 172.18.0.3 lladdr 02:00:00:00:00:03 dev eth0 nud permanent',
        'rule add pref 100 fwmark 2 lookup 1002',
        'route replace default via 172.18.0.3 dev eth0 table 1002',
        '',
      ].join('\n'),
    );
  });

  test('disposing removes the containers and what the nodes held', async () => {
    const { made, line } = await boxes();
    await made.address('gateway');
    await made[Symbol.asyncDispose]();
    expect(line('docker rm --force --volumes onedrop-kind-cell-x-balancer-gateway')).toHaveLength(1);
    expect(line('ip route delete local 172.18.0.9 table local')).toHaveLength(2);
  });
});
