import { expect, onTestFinished, test } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { InterruptedError } from '../../harness/errors.ts';
import { Random } from '../../harness/statistics/random.ts';
import { type Answer, type Asked, fakeApiServer } from './api/fake-api-server.fixture.ts';
import { KubernetesCluster } from './kubernetes-cluster.ts';

const NAMESPACES = '/api/v1/namespaces';

/** An API server that takes everything, runs nothing, and never answers request number `hangAt`, although it does what it asks. */
async function server(hangAt: number) {
  const namespaces = new Set<string>();
  const hangs = Promise.withResolvers<void>();
  let requests = 0;
  let opening = true;
  const answer = ({ method, path, query, body }: Asked): Answer => {
    if (query.get('watch') === 'true') return { watch: [], open: true };
    const name = path.startsWith(`${NAMESPACES}/`) ? (path.split('/')[4] ?? '') : '';
    if (method === 'POST' && path === NAMESPACES)
      namespaces.add((body as { metadata: { name: string } }).metadata.name);
    if (method === 'DELETE' && path === `${NAMESPACES}/${name}`) namespaces.delete(name);
    if (opening && requests++ === hangAt) {
      hangs.resolve();
      return 'hang';
    }
    if (method === 'GET' && path === `${NAMESPACES}/${name}` && !namespaces.has(name))
      return { status: 404, json: { kind: 'Status', reason: 'NotFound', message: 'not found' } };
    if (path === '/version') return { json: { gitVersion: 'v1.36.0' } };
    if (method !== 'GET') return { json: body ?? {} };
    return { json: { kind: 'List', metadata: { resourceVersion: '1' }, items: [] } };
  };
  const fake = await fakeApiServer(answer);
  onTestFinished(() => fake[Symbol.asyncDispose]());
  return {
    fake,
    namespaces,
    hangs: hangs.promise,
    hung: () => requests > hangAt,
    /** From now on everything is answered. */
    opened() {
      opening = false;
    },
  };
}

const open = (at: Awaited<ReturnType<typeof server>>, signal: AbortSignal, name: string) =>
  KubernetesCluster.open({
    spec: { axes: defaultAxes(), name },
    context: { record() {}, random: new Random(1), directory: '', signal },
    config: at.fake.config,
    name: `onedrop-${name}-${process.pid}`,
    image: 'image',
    entrance: 'node-port',
    facts: {},
  });

test('whichever request of its opening hangs, a cluster ends with the first interruption and leaves no namespace', async () => {
  let interrupted = 0;
  for (let hangAt = 0; ; hangAt++) {
    const at = await server(hangAt);
    const controller = new AbortController();
    void at.hangs.then(() => controller.abort());
    const opened = await open(at, controller.signal, `hang-${hangAt}`).catch((error: Error) => error);
    at.opened();
    if (opened instanceof Error) {
      expect(opened).toBeInstanceOf(InterruptedError);
      interrupted++;
    } else await opened[Symbol.asyncDispose]();
    expect([...at.namespaces]).toEqual([]);
    if (!at.hung()) break;
  }
  // The version, nodes, kube-system, the namespace and the control group, at least.
  expect(interrupted).toBeGreaterThan(8);
});

test('a Service that nobody can reach is not waited for any longer, and the namespace goes', async () => {
  const at = await server(Number.POSITIVE_INFINITY);
  const controller = new AbortController();
  const cluster = await open(at, controller.signal, 'unreachable');
  expect(at.namespaces.size).toBe(1);
  const waiting = cluster.reachable('gateway', 600_000);
  setTimeout(() => controller.abort(), 50);
  await expect(waiting).rejects.toThrow(InterruptedError);
  await expect(cluster.kube.get('Service', 'gateway')).rejects.toThrow(InterruptedError);
  await expect(cluster.call('pod', '/drain')).rejects.toThrow(InterruptedError);
  await cluster[Symbol.asyncDispose]();
  expect([...at.namespaces]).toEqual([]);
});
