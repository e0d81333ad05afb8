import { expect, test } from 'vitest';
import type { Event } from '../../../harness/contracts/event.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { type Answer, fakeApiServer } from './fake-api-server.fixture.ts';
import { KubeClient } from './kube-client.ts';
import { Observer } from './observer.ts';

const metadata = (name: string, resourceVersion: string, more: object = {}) => ({
  name,
  resourceVersion,
  ...more,
});
const node = (version: string, ready: string) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: metadata('node-a', version),
  status: { conditions: [{ type: 'Ready', status: ready }] },
});
const pod = (version: string, phase: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: metadata('gateway-v1-x', version, { labels: { version: 'v1' } }),
  status: { phase, containerStatuses: phase === 'Running' ? [{ state: { running: {} } }] : [] },
});
const slice = (version: string, ready: boolean) => ({
  metadata: metadata('gateway-1', version, { labels: { 'kubernetes.io/service-name': 'gateway' } }),
  apiVersion: 'discovery.k8s.io/v1beta1',
  kind: 'EndpointSlice',
  endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready }, targetRef: { name: 'gateway-v1-x' } }],
});

/** What exists at first, and what a watch then tells, by resource. */
const LISTS: Readonly<Record<string, readonly object[]>> = {
  nodes: [node('1', 'True')],
  pods: [pod('2', 'Pending')],
  endpointslices: [slice('3', false)],
};
const CHANGES: Readonly<Record<string, readonly object[]>> = {
  nodes: [
    { type: 'MODIFIED', object: node('10', 'False') },
    { type: 'DELETED', object: node('11', 'False') },
  ],
  pods: [
    { type: 'MODIFIED', object: pod('12', 'Running') },
    // Nothing that the log has a word for has changed.
    { type: 'MODIFIED', object: pod('13', 'Running') },
    { type: 'DELETED', object: pod('14', 'Running') },
  ],
  endpointslices: [{ type: 'MODIFIED', object: slice('15', true) }],
};

test('each change that the log has a word for is recorded once, in the order in which it was told', async () => {
  const watched = new Set<string>();
  const answer = (resource: string, watch: boolean): Answer => {
    if (watch) return { watch: watched.has(resource) ? [] : (CHANGES[resource] ?? []), open: true };
    const items = LISTS[resource] ?? [];
    return { json: { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '5' }, items } };
  };
  await using server = await fakeApiServer(({ path, query }) => {
    const resource = path.split('/').at(-1) ?? '';
    const watch = query.get('watch') === 'true';
    const given = answer(resource, watch);
    if (watch) watched.add(resource);
    return given;
  });
  const clock = new ScaledClock(100);
  const kube = await KubeClient.connect({ config: server.config, clock, namespace: 'run' });
  const events: Event[] = [];
  const enough = Promise.withResolvers<void>();
  await using observer = new Observer(kube, clock, (event) => {
    events.push(event);
    if (events.length === 8) enough.resolve();
  });
  await enough.promise;
  const of = (type: string) => events.filter((event) => event.type === type);
  expect(of('pod').map((event) => (event as { phase: string }).phase)).toEqual([
    'pending',
    'running',
    'gone',
  ]);
  expect(of('endpoints')).toMatchObject([
    { service: 'gateway', endpoints: [{ ready: false }] },
    { service: 'gateway', endpoints: [{ ready: true }] },
  ]);
  expect(of('node').map((event) => (event as { change: string }).change)).toEqual(['added', 'removed']);
  expect(of('note')).toMatchObject([
    { text: 'node node-a is no longer ready', node: { name: 'node-a', ready: false } },
  ]);
  expect(observer.all('Node')).toEqual([]);
  expect(observer.all('EndpointSlice')).toHaveLength(1);
});
