import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import type { Socket } from '../../harness/contracts/connection.ts';
import type { TimedEvent } from '../../harness/contracts/event.ts';
import { HarnessError } from '../../harness/errors.ts';
import { Random } from '../../harness/statistics/random.ts';
import { VirtualClock } from '../../harness/time/virtual-clock.ts';
import { nodeAddress, nodeName, podAddress, podCidr, virtualAddress } from '../control-plane/addresses.ts';
import { createPool, observe, program } from '../control-plane/balancer/load-balancer.ts';
import { nodeRules } from '../control-plane/kube-proxy/kube-proxy.ts';
import type { PodProcess } from '../control-plane/machine.ts';
import { SimMachine } from './machine.ts';

const NODES = [1, 2, 3];
const VIP = virtualAddress(0);

/** A machine with three nodes and a pod on the first, driven by hand as a control plane would. */
class Bench {
  readonly clock = new VirtualClock();
  readonly events: (TimedEvent & { at: number })[] = [];
  readonly machine: SimMachine;
  /** What happened to pods and clients, with its time. */
  readonly heard: string[] = [];

  constructor() {
    this.machine = new SimMachine({
      clock: this.clock,
      random: new Random(1),
      axes: defaultAxes(),
      record: (event) => this.events.push({ at: this.clock.now(), ...event }),
    });
  }

  async open(
    options: { policy?: 'Cluster' | 'Local'; env?: Record<string, string> } = {},
  ): Promise<PodProcess> {
    for (const number of NODES)
      await this.machine.addNode({
        name: nodeName(number),
        number,
        address: nodeAddress(number),
        podCidr: podCidr(number),
      });
    const pod = this.start('gateway-1', 1, options.env);
    await this.clock.sleep(1000);
    await this.select(true, options.policy ?? 'Local');
    await this.balance([1], options.policy ?? 'Local');
    return pod;
  }

  start(name: string, node: number, env: Record<string, string> = {}): PodProcess {
    const pod: V1Pod = { metadata: { name }, spec: { containers: [] } };
    return this.machine.startPod({
      pod,
      node: nodeName(node),
      address: podAddress(node, 2),
      env: { VERSION: 'v1', POD_NAME: name, NODE_NAME: nodeName(node), ...env },
      nativeSidecars: true,
      started: () => this.hear(`${name} started`),
      exited: (why) => this.hear(`${name} exited: ${why}`),
    });
  }

  async select(selected: boolean, policy: 'Cluster' | 'Local' = 'Local'): Promise<void> {
    for (const number of NODES)
      await this.machine.programNode(
        nodeRules({
          services: [
            {
              metadata: { name: 'gateway', namespace: 'default' },
              spec: {
                type: 'LoadBalancer',
                clusterIP: '10.96.100.1',
                externalTrafficPolicy: policy,
                healthCheckNodePort: 32_000,
                ports: [{ name: 'ws', port: 80, targetPort: 8080, nodePort: 30_080, protocol: 'TCP' }],
              },
              status: { loadBalancer: { ingress: [{ ip: VIP }] } },
            },
          ],
          slices: [
            {
              metadata: {
                name: 'g',
                namespace: 'default',
                labels: { 'kubernetes.io/service-name': 'gateway' },
              },
              addressType: 'IPv4',
              ports: [{ name: 'ws', port: 8080, protocol: 'TCP' }],
              endpoints: selected ? [{ addresses: [podAddress(1, 2)], nodeName: nodeName(1) }] : [],
            },
          ],
          node: { name: nodeName(number), address: nodeAddress(number), podCidr: podCidr(number) },
          mode: 'iptables',
          now: this.clock.now(),
        }),
      );
  }

  async balance(healthy: number[], policy: 'Cluster' | 'Local' = 'Local'): Promise<void> {
    const config = {
      service: 'gateway',
      address: VIP,
      port: 80,
      kind: 'target-pool',
      policy,
      affinity: 'None',
      healthCheckPort: 32_000,
      nodePort: 30_080,
      random: new Random(1),
    } as const;
    const members = NODES.map((number) => ({ name: nodeName(number), node: nodeName(number) }));
    let pool = createPool(config, members, 0);
    for (const number of healthy) pool = observe(pool, nodeName(number), true, this.clock.now());
    await this.machine.programBalancer([program(pool)]);
  }

  dial(number: number): Socket {
    const says = (what: string) => this.hear(`c${number} ${what}`);
    let isDialled = false;
    const early = (what: string) => {
      if (!isDialled) throw new Error('a handler was called before dial returned');
      says(what);
    };
    const socket = this.machine.dial(
      { group: 'fleet', number, service: 'gateway' },
      { address: VIP, port: 80 },
      {
        opened: ({ pod, version, node }) => early(`opened ${pod} ${version} ${node}`),
        answered: () => early('answered'),
        asked: () => early('asked'),
        closed: (ending) =>
          early(
            `closed ${ending.how}${'code' in ending ? ` ${ending.code}` : ''}${'why' in ending ? `: ${ending.why}` : ''}`,
          ),
      },
    );
    isDialled = true;
    return socket;
  }

  fates() {
    return this.events.filter((event) => event.type === 'fate');
  }

  gateways() {
    return this.events.flatMap((event) =>
      event.type === 'gateway' ? [`${event.at} ${event.did} ${event.why} ${event.connections}`] : [],
    );
  }

  /** What was heard since the last call. */
  news(): string[] {
    return this.heard.splice(0);
  }

  private hear(what: string): void {
    this.heard.push(`${this.clock.now()} ${what}`);
  }
}

const bench = (play: (bench: Bench) => Promise<void>) => async () => {
  const made = new Bench();
  await made.clock.run(() => play(made));
};

describe('a connection through the simulated machine', () => {
  it(
    'opens, is answered at once and leaves the gateway when the client closes it',
    bench(async (lab) => {
      const pod = await lab.open();
      const socket = lab.dial(0);
      await lab.clock.sleep(1);
      socket.ping();
      expect(lab.news()).toEqual([
        '1000 gateway-1 started',
        '1000 c0 opened gateway-1 v1 node-1',
        '1001 c0 answered',
      ]);
      socket.close();
      pod.signal('SIGTERM');
      await lab.clock.sleep(1);
      expect(lab.news()).toEqual(['1001 gateway-1 exited: no connection left']);
      expect(lab.gateways()).toEqual([
        '1001 sigterm close-all 0',
        '1001 drain close over 0 ms 0',
        '1001 exit no connection left 0',
      ]);
    }),
  );

  it(
    'is refused where there is no endpoint, and the log names the rule',
    bench(async (lab) => {
      await lab.open();
      await lab.select(false);
      lab.news();
      lab.dial(0);
      await lab.clock.sleep(1);
      expect(lab.news()).toEqual(['1000 c0 closed refused: ICMP port unreachable']);
      expect(lab.fates()).toMatchObject([
        { client: 'c0', verdict: 'rejected', node: 'node-1', rule: expect.stringContaining('REJECT') },
      ]);
    }),
  );

  it(
    'hangs in silence where a re-hash leads to a REJECT, is sent again ever more rarely, and heals when the path is back',
    bench(async (lab) => {
      await lab.open();
      const sockets = Array.from({ length: 20 }, (_, number) => lab.dial(number));
      await lab.clock.sleep(1);
      await lab.select(false);
      await lab.balance([]);
      lab.news();
      for (const socket of sockets) socket.ping();
      const alive = lab.news().length;
      expect(alive).toBeLessThan(20);
      expect(lab.fates()).toHaveLength(20 - alive);
      await lab.clock.sleep(9000);
      expect(lab.news()).toEqual([]);
      await lab.select(true);
      await lab.balance([1]);
      // 200 ms doubling: sent again 0.2, 0.6, 1.4, 3.0, 6.2 and 12.6 s after the first time.
      await lab.clock.sleep(10_000);
      const healed = lab.news();
      expect(healed).toHaveLength(20 - alive);
      expect(healed.every((line) => line.startsWith('13601 ') && line.endsWith(' answered'))).toBe(true);
      expect(lab.fates()).toHaveLength(20 - alive);
    }),
  );

  it(
    'fails after a quarter of an hour of silence, as tcp_retries2 has it',
    bench(async (lab) => {
      await lab.open();
      const socket = lab.dial(0);
      await lab.clock.sleep(1);
      await lab.machine.removeNode(nodeName(1));
      lab.news();
      socket.ping();
      await lab.clock.sleep(923_000);
      expect(lab.news().filter((line) => line.includes('c0'))).toEqual([]);
      await lab.clock.sleep(3000);
      expect(lab.news()).toEqual(['925601 c0 closed reset']);
    }),
  );

  it(
    'sends its SYN again for two minutes where it is dropped',
    bench(async (lab) => {
      await lab.open();
      await lab.balance([2]);
      lab.news();
      lab.dial(0);
      await lab.clock.sleep(120_000);
      expect(lab.news()).toEqual([]);
      await lab.clock.sleep(10_000);
      expect(lab.news()).toEqual(['128000 c0 closed refused: connect timed out']);
      expect(lab.fates()).toMatchObject([{ verdict: 'dropped', node: 'node-2' }]);
    }),
  );

  it(
    'says nothing more once the client has destroyed it',
    bench(async (lab) => {
      const pod = await lab.open();
      const socket = lab.dial(0);
      socket.destroy();
      const other = lab.dial(1);
      await lab.clock.sleep(1);
      lab.news();
      other.destroy();
      pod.signal('SIGKILL');
      await lab.clock.sleep(1000);
      expect(lab.news()).toEqual(['1001 gateway-1 exited: SIGKILL']);
    }),
  );
});

describe('the end of a pod', () => {
  it(
    'closes all at once with 1012 on SIGTERM',
    bench(async (lab) => {
      const pod = await lab.open();
      lab.dial(0);
      lab.dial(1);
      await lab.clock.sleep(1);
      lab.news();
      pod.signal('SIGTERM');
      await lab.clock.sleep(1);
      expect(lab.news()).toEqual([
        '1001 c0 closed close 1012',
        '1001 c1 closed close 1012',
        '1001 gateway-1 exited: no connection left',
      ]);
    }),
  );

  it.each([
    ['SIGTERM', 'abrupt'],
    ['SIGKILL', 'SIGKILL'],
  ] as const)('is a FIN to everybody when %s ends the process at once', (signal, why) =>
    bench(async (lab) => {
      const pod = await lab.open({ policy: 'Cluster', env: { DRAIN: 'abrupt' } });
      lab.dial(0);
      await lab.clock.sleep(1);
      lab.news();
      pod.signal(signal);
      await lab.clock.sleep(1);
      expect(lab.news()).toEqual(['1001 c0 closed fin', `1001 gateway-1 exited: ${why}`]);
    })(),
  );

  it(
    'spreads a paced drain evenly, and exits when the last client has gone',
    bench(async (lab) => {
      const pod = await lab.open({ env: { DRAIN: 'paced', DRAIN_OVER: '10000' } });
      for (let number = 0; number < 4; number++) lab.dial(number);
      await lab.clock.sleep(1);
      lab.news();
      pod.signal('SIGTERM');
      await lab.clock.sleep(20_000);
      expect(lab.news()).toEqual([
        '3501 c0 closed close 1012',
        '6001 c1 closed close 1012',
        '8501 c2 closed close 1012',
        '11001 c3 closed close 1012',
        '11001 gateway-1 exited: no connection left',
      ]);
    }),
  );

  it(
    'says nothing to anybody when its node is removed',
    bench(async (lab) => {
      await lab.open();
      lab.dial(0);
      await lab.clock.sleep(1);
      lab.news();
      await lab.machine.removeNode(nodeName(1));
      await lab.clock.sleep(60_000);
      expect(lab.news()).toEqual(['1001 gateway-1 exited: its node is gone']);
      expect(lab.gateways()).toEqual(['1001 killed its node is gone 1']);
    }),
  );

  it(
    'waits half a minute for clients that cannot answer its close frame',
    bench(async (lab) => {
      const pod = await lab.open();
      const sockets = Array.from({ length: 20 }, (_, number) => lab.dial(number));
      await lab.clock.sleep(1);
      await lab.select(false);
      await lab.balance([]);
      for (const socket of sockets) socket.ping();
      const hung = lab.fates().length;
      expect(hung).toBeGreaterThan(0);
      lab.news();
      pod.signal('SIGTERM');
      await lab.clock.sleep(29_000);
      // The way back still works: all see the close frame.
      expect(lab.news().filter((line) => line.endsWith('closed close 1012'))).toHaveLength(20);
      await lab.clock.sleep(2000);
      expect(lab.news()).toEqual(['31001 gateway-1 exited: no connection left']);
    }),
  );
});

describe('the admin port of a pod', () => {
  it(
    'answers probes, fails and restores readiness, and asks clients to leave',
    bench(async (lab) => {
      const pod = await lab.open();
      const ready = () =>
        new Promise<boolean>((resolve) => {
          pod.probe('/readyz', 8081, 1000, (ok) => {
            lab.clock.wake();
            resolve(ok);
          });
        });
      expect(await ready()).toBe(true);
      await pod.post('/fail-readiness', 8081);
      expect(await ready()).toBe(false);
      await pod.post('/restore-readiness', 8081);
      expect(await ready()).toBe(true);

      lab.dial(0);
      lab.dial(1);
      await lab.clock.sleep(1);
      lab.news();
      await pod.post('/drain?over=2000&how=message', 8081);
      await lab.clock.sleep(5000);
      expect(lab.news()).toEqual(['2001 c0 asked', '3001 c1 asked']);
    }),
  );

  it(
    'rejects what it does not know',
    bench(async (lab) => {
      const pod = await lab.open();
      await expect(pod.post('/nonsense', 8081)).rejects.toThrow(HarnessError);
      await expect(pod.post('/drain?how=shout', 8081)).rejects.toThrow('answered 400');
      await expect(pod.post('/drain', 9999)).rejects.toThrow('nothing listens on port 9999');
      pod.signal('SIGKILL');
      await expect(pod.post('/drain', 8081)).rejects.toThrow('nothing listens');
    }),
  );
});

describe('a health check of the balancer', () => {
  it(
    'is answered by the node’s rules, and by nobody once the node is gone',
    bench(async (lab) => {
      await lab.open();
      const answers: string[] = [];
      const check = (node: string, port: number) =>
        lab.machine.checkHealth({ node, port, by: 'http' }, 1000, (ok) =>
          answers.push(`${lab.clock.now()} ${node} ${port} ${ok}`),
        );
      check('node-1', 32_000);
      check('node-2', 32_000);
      check('node-2', 10_256);
      check('node-2', 4711);
      await lab.machine.removeNode('node-3');
      check('node-3', 10_256);
      expect(answers).toEqual([]);
      await lab.clock.sleep(2000);
      expect(answers).toEqual([
        '1000 node-1 32000 true',
        '1000 node-2 32000 false',
        '1000 node-2 10256 true',
        '1000 node-2 4711 false',
        '2000 node-3 10256 false',
      ]);
    }),
  );
});
