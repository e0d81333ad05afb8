import type { V1ContainerStatus } from '@kubernetes/client-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { ApiConnection } from './api-connection.ts';
import { type Answer, fakeApiServer } from './fake-api-server.fixture.ts';
import { SystemWatch } from './system-watch.ts';

const LONG_AGO = '2020-01-01T00:00:00Z';

/** A pod of kube-system that was made for its owner. */
function pod(name: string, owner: [kind: string, name: string], ready: boolean, container: object = {}) {
  const status: Partial<V1ContainerStatus> = {
    name: owner[1],
    containerID: `containerd://${name}`,
    restartCount: 0,
    ...(ready ? { state: { running: { startedAt: new Date(LONG_AGO) } } } : {}),
    ...container,
  };
  return {
    metadata: { name, ownerReferences: [{ kind: owner[0], name: owner[1] }] },
    spec: { nodeName: 'worker2', containers: [{ name: owner[1] }] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [status],
    },
  };
}

const node = (name: string, ready: boolean) => ({
  metadata: { name },
  status: {
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown', message: 'Kubelet stopped posting' }],
  },
});
const daemonSet = (name: string, ready: number) => ({
  metadata: { name },
  status: { desiredNumberScheduled: 3, numberReady: ready },
});
const deployment = (name: string, ready: number) => ({
  metadata: { name },
  spec: { replicas: 2 },
  status: { readyReplicas: ready },
});

interface State {
  nodes?: readonly object[];
  daemonsets?: readonly object[];
  deployments?: readonly object[];
  pods?: readonly object[];
}

/** Looks at clusters that are one after the other, the last for good; 200 times as fast as real ones unless said. */
async function watch(states: readonly State[], log: Answer = { json: '' }, speed = 200) {
  let looks = 0;
  const server = await fakeApiServer(({ path }) => {
    if (path.endsWith('/log')) return log;
    const resource = path.split('/').at(-1) as keyof State;
    if (resource === 'nodes') looks++;
    return { json: { items: states[Math.min(looks, states.length) - 1]?.[resource] ?? [] } };
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const clock = new ScaledClock(speed);
  const connection = new ApiConnection(server.config, clock);
  const notes: string[] = [];
  const system = new SystemWatch(connection, clock, new AbortController().signal);
  return {
    well: () => system.whenWell((text) => notes.push(text)),
    notes,
    looks: () => looks,
    clock,
    system,
  };
}

const failure = (well: () => Promise<void>) =>
  well().then(
    () => 'well',
    (error: Error) => error.message,
  );

test('a cluster whose nodes and system are ready is well at once', async () => {
  const kubeProxy = pod('kube-proxy-a', ['DaemonSet', 'kube-proxy'], true);
  const { well, looks } = await watch([
    { nodes: [node('a', true)], daemonsets: [daemonSet('kube-proxy', 3)], pods: [kubeProxy] },
  ]);
  await well();
  expect(looks()).toBe(1);
});

test('what becomes ready is waited for', async () => {
  const starting = { deployments: [deployment('coredns', 0)] };
  // Slow enough that no busy machine is out of patience before the third look.
  const states = [starting, starting, { deployments: [deployment('coredns', 2)] }];
  const { well, looks } = await watch(states, { json: '' }, 20);
  await well();
  expect(looks()).toBe(3);
});

describe('what does not become ready is named, with where it is and its last words', () => {
  test('a DaemonSet whose pod ends again and again', async () => {
    const crashing = pod('kube-proxy-b', ['DaemonSet', 'kube-proxy'], false, {
      restartCount: 4,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 1m20s' } },
      lastState: { terminated: { exitCode: 1, reason: 'Error' } },
    });
    const log = { json: 'too many open files\u001b[31m' };
    const { well } = await watch([{ daemonsets: [daemonSet('kube-proxy', 2)], pods: [crashing] }], log);
    const words = await failure(well);
    expect(words).toContain('the cluster itself is not well, which says nothing about the release');
    expect(words).toContain('DaemonSet kube-proxy: 1 of 3 pods not ready, kube-proxy-b on worker2');
    expect(words).toContain(
      'CrashLoopBackOff, back-off 1m20s; ended with exit code 1 (Error); restarted 4 times',
    );
    expect(words).toMatch(/last words ".*too many open files/);
    expect(words).toContain('sudo sysctl -w fs.inotify.max_user_instances=512');
    expect(words).not.toMatch(/\p{Cc}/u);
  });

  test('a Deployment whose pod finds no node', async () => {
    const pending = {
      ...pod('coredns-5d78-x', ['ReplicaSet', 'coredns-5d78'], false),
      spec: { containers: [{ name: 'coredns' }] },
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }],
      },
    };
    // No client's path leads through it: it is told, and the run goes on.
    const { well, notes } = await watch([{ deployments: [deployment('coredns', 1)], pods: [pending] }]);
    expect(await failure(well)).toBe('well');
    expect(notes.join('; ')).toContain(
      'Deployment coredns: 1 of 2 pods not ready, coredns-5d78-x on no node: 0/3 nodes are available',
    );
  });

  test('a node', async () => {
    const { well } = await watch([{ nodes: [node('a', true), node('b', false)] }]);
    expect(await failure(well)).toContain('node b is not ready (Kubelet stopped posting)');
  });

  test('a static pod, which no DaemonSet owns', async () => {
    const { well } = await watch([{ pods: [pod('kube-proxy-gke-x', ['Node', 'gke-x'], false)] }]);
    expect(await failure(well)).toContain('static pod kube-proxy-gke-x is not ready');
  });
});

test('a container that ends at once, again and again, is not well in the moments in which it runs', async () => {
  // Each look meets another run of it, and the DaemonSet counts it as ready.
  const runs = Array.from({ length: 200 }, (_, run) => ({
    daemonsets: [daemonSet('kube-proxy', 3)],
    pods: [
      pod('kube-proxy-c', ['DaemonSet', 'kube-proxy'], true, {
        restartCount: run + 1,
        containerID: `containerd://${run}`,
        state: { running: { startedAt: new Date() } },
      }),
    ],
  }));
  const { well } = await watch(runs);
  expect(await failure(well)).toContain(
    'DaemonSet kube-proxy: 1 of 3 pods not ready, kube-proxy-c on worker2',
  );
});

test('one that has restarted and goes on is well after ten seconds', async () => {
  const recovered = pod('kube-proxy-d', ['DaemonSet', 'kube-proxy'], true, {
    restartCount: 1,
    state: { running: { startedAt: new Date() } },
  });
  const { well, clock } = await watch([{ daemonsets: [daemonSet('kube-proxy', 3)], pods: [recovered] }]);
  await well();
  expect(clock.now()).toBeGreaterThanOrEqual(10_000);
});

test('where kube-system may not be read, that is noted and nothing waited for', async () => {
  const server = await fakeApiServer(() => ({
    status: 403,
    json: { kind: 'Status', reason: 'Forbidden', message: 'pods is forbidden' },
  }));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const clock = new ScaledClock(1000);
  const notes: string[] = [];
  const system = new SystemWatch(
    new ApiConnection(server.config, clock),
    clock,
    new AbortController().signal,
  );
  await system.whenWell((text) => notes.push(text));
  expect(notes).toEqual(['whether the cluster itself is well is not known: pods is forbidden']);
  expect(await system.complaint()).toBeUndefined();
});
