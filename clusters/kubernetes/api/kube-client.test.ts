import type { V1Pod } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { type Answer, type Asked, fakeApiServer } from './fake-api-server.fixture.ts';
import { type Dress, KubeClient } from './kube-client.ts';

/** Waits that the client makes pass a hundred times as fast. */
const clock = () => new ScaledClock(100);

async function connected(
  answer: (asked: Asked) => Answer,
  dress?: Dress,
  more?: Parameters<typeof fakeApiServer>[1],
) {
  const server = await fakeApiServer(answer, more);
  const options = { config: server.config, clock: clock(), namespace: 'run' };
  const kube = await KubeClient.connect(dress === undefined ? options : { ...options, dress });
  return { server, kube, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const pod = (name: string, resourceVersion: string): V1Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'run', resourceVersion },
});
const refusal = (code: number, reason: string, message = reason): Answer => ({
  status: code,
  json: { kind: 'Status', status: 'Failure', code, reason, message },
});

test('an object is applied server-side, in the run’s namespace, by force, without its managers', async () => {
  const dress: Dress = (object) => ({ ...object, metadata: { ...object.metadata, labels: { run: 'x' } } });
  await using used = await connected(({ body }) => ({ json: body }), dress);
  await used.kube.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'gateway', managedFields: [{}] },
    spec: { selector: { app: 'gateway' } },
  } as never);
  const [asked] = used.server.asked;
  expect(asked).toMatchObject({
    method: 'PATCH',
    path: '/api/v1/namespaces/run/services/gateway',
    contentType: expect.stringContaining('application/apply-patch+yaml'),
    body: { metadata: { name: 'gateway', labels: { run: 'x' } }, spec: { selector: { app: 'gateway' } } },
  });
  expect(asked?.query.get('fieldManager')).toBe('onedrop');
  expect(asked?.query.get('force')).toBe('true');
  expect(asked?.body).not.toHaveProperty('metadata.managedFields');
});

test('a patch is a JSON merge patch that keeps its nulls', async () => {
  await using used = await connected(({ body }) => ({ json: body }));
  await used.kube.patch('Service', 'gateway', { spec: { selector: { version: null } } });
  expect(used.server.asked[0]).toMatchObject({
    method: 'PATCH',
    contentType: expect.stringContaining('application/merge-patch+json'),
    body: { spec: { selector: { version: null } } },
  });
});

test('what is not there is undefined when read, and deleting it succeeds', async () => {
  await using used = await connected(() => refusal(404, 'NotFound'));
  expect(await used.kube.get('Service', 'gateway')).toBeUndefined();
  await used.kube.delete('Service', 'gateway', { gracePeriod: 1500 });
  expect(used.server.asked[1]?.query.get('gracePeriodSeconds')).toBe('2');
});

test("a refusal carries the API's own reason and message, and is not tried again", async () => {
  await using used = await connected(() => refusal(409, 'Conflict', 'the object has been modified'));
  await expect(used.kube.patch('Service', 'gateway', {})).rejects.toMatchObject({
    name: 'KubeError',
    reason: 'Conflict',
    message: 'the object has been modified',
  });
  expect(used.server.asked).toHaveLength(1);
});

test('a server that is too busy or not there is asked again, and in the end the error says so', async () => {
  let attempts = 0;
  const answers: Answer[] = [refusal(503, 'ServiceUnavailable'), 'break', refusal(429, 'TooManyRequests')];
  await using used = await connected(() => answers[attempts++] ?? { json: { ...pod('a', '1') } });
  expect((await used.kube.get('Pod', 'a'))?.metadata?.name).toBe('a');
  expect(attempts).toBe(4);
  await using broken = await connected(() => 'break');
  await expect(broken.kube.get('Pod', 'a')).rejects.toThrow(/the API server cannot be reached/);
});

test('a POST to a pod goes through the pod proxy, once', async () => {
  await using used = await connected(() => refusal(503, 'ServiceUnavailable'));
  await expect(used.kube.postToPod('gateway-1', 8081, '/drain?over=1000')).rejects.toThrow();
  expect(used.server.asked).toHaveLength(1);
  expect(used.server.asked[0]).toMatchObject({
    method: 'POST',
    path: '/api/v1/namespaces/run/pods/gateway-1:8081/proxy/drain',
  });
  expect(used.server.asked[0]?.query.get('over')).toBe('1000');
});

test('a list is ordered by name, and old slices have the shape of new ones', async () => {
  const slice = (name: string) => ({
    metadata: { name },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'], topology: { 'kubernetes.io/hostname': 'node-a' } }],
  });
  await using used = await connected(() => ({
    json: {
      apiVersion: 'discovery.k8s.io/v1beta1',
      kind: 'EndpointSliceList',
      items: [slice('b'), slice('a')],
    },
  }));
  const slices = await used.kube.list('EndpointSlice', { 'kubernetes.io/service-name': 'gateway' });
  expect(slices.map(({ metadata }) => metadata?.name)).toEqual(['a', 'b']);
  expect(slices[0]).toMatchObject({
    apiVersion: 'discovery.k8s.io/v1',
    endpoints: [{ nodeName: 'node-a' }],
  });
  expect(used.server.asked[0]?.query.get('labelSelector')).toBe('kubernetes.io/service-name=gateway');
});

/** Watches pods on a server that answers lists and watches in turn, until `enough` changes were told. */
async function watched(lists: readonly Answer[], watches: readonly Answer[], enough: number) {
  const told: string[] = [];
  const broke: string[] = [];
  let [list, watch] = [0, 0];
  await using used = await connected(({ query }) =>
    query.get('watch') === 'true'
      ? (watches[watch++] ?? { watch: [], open: true })
      : (lists[list++] ?? refusal(500, 'InternalError')),
  );
  const done = Promise.withResolvers<void>();
  const tell = (text: string) => {
    told.push(text);
    if (told.length >= enough) done.resolve();
  };
  await using _watch = used.kube.watch('Pod', {
    changed: ({ metadata }) => tell(`${metadata?.name}@${metadata?.resourceVersion}`),
    gone: ({ metadata }) => tell(`-${metadata?.name}`),
    broke: (why) => void broke.push(why),
  });
  await done.promise;
  const versions = used.server.asked
    .filter(({ query }) => query.get('watch') === 'true')
    .map(({ query }) => query.get('resourceVersion'));
  return { told, broke, lists: list, versions };
}

const podList = (resourceVersion: string, ...items: V1Pod[]): Answer => ({
  json: { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion }, items },
});

test('a watch that the server ends resumes where it was, without a new list', async () => {
  const { told, lists, versions } = await watched(
    [podList('10', pod('a', '5'))],
    [
      { watch: [{ type: 'ADDED', object: pod('b', '11') }] },
      { watch: [{ type: 'MODIFIED', object: pod('a', '12') }] },
    ],
    3,
  );
  expect(told).toEqual(['a@5', 'b@11', 'a@12']);
  expect(lists).toBe(1);
  expect(versions.slice(0, 2)).toEqual(['10', '11']);
});

test('a watch whose point the server has forgotten lists again, and what is missing there is gone', async () => {
  const gone = { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } };
  const { told, lists } = await watched(
    [podList('10', pod('a', '5'), pod('b', '6')), podList('50', pod('a', '40'))],
    [{ watch: [gone] }],
    4,
  );
  expect(told).toEqual(['a@5', 'b@6', '-b', 'a@40']);
  expect(lists).toBe(2);
});

test('a watch that cannot be begun is begun again after a while, and says so', async () => {
  const { told, broke } = await watched(
    [refusal(403, 'Forbidden', 'no'), podList('10', pod('a', '5'))],
    [],
    1,
  );
  expect(told).toEqual(['a@5']);
  expect(broke).toHaveLength(1);
});

test("an eviction is asked for once with the grace that is granted, and a budget's refusal is told", async () => {
  await using used = await connected(
    ({ path }) =>
      path.includes('protected') ? refusal(429, 'TooManyRequests', 'disruption budget') : { json: {} },
    undefined,
    { 'policy/v1beta1': [['PodDisruptionBudget', 'poddisruptionbudgets', true]] },
  );
  await used.kube.evict('gateway-1', { gracePeriod: 15_000 });
  expect(used.server.asked[0]).toMatchObject({
    method: 'POST',
    path: '/api/v1/namespaces/run/pods/gateway-1/eviction',
    body: {
      apiVersion: 'policy/v1beta1',
      kind: 'Eviction',
      metadata: { name: 'gateway-1' },
      deleteOptions: { gracePeriodSeconds: 15 },
    },
  });
  await expect(used.kube.evict('protected')).rejects.toMatchObject({ reason: 'TooManyRequests' });
  expect(used.server.asked).toHaveLength(2);
});
