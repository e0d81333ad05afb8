import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import type { RolloutSeen } from '../../../harness/contracts/cluster.ts';
import type { Event } from '../../../harness/contracts/event.ts';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { type Answer, fakeApiServer } from '../api/fake-api-server.fixture.ts';
import { openOnlooker } from './cluster-onlooker.ts';

const labels = { app: 'gateway' };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'ws', image }] } });
const deployment = (version: string, image: string, updated: number) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'gateway', resourceVersion: version, generation: 1 },
  spec: { replicas: 2, selector: {}, template: template(image) },
  status: {
    observedGeneration: 1,
    replicas: 2,
    updatedReplicas: updated,
    availableReplicas: 2,
    readyReplicas: 2,
  },
});
const pod = (name: string, image: string, version: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels, resourceVersion: version, ...more },
  spec: { nodeName: 'n1', containers: [{ name: 'ws', image }] },
  status: { phase: 'Running', containerStatuses: [{ state: { running: {} } }] },
});
const stranger = {
  ...pod('shop-x', 'shop:1', '4'),
  metadata: { name: 'shop-x', labels: { app: 'shop' }, resourceVersion: '4' },
};
const warning = (name: string, about: string, version: string) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name, resourceVersion: version },
  involvedObject: { kind: 'Pod', name: about },
  type: 'Warning',
  reason: 'Unhealthy',
  message: 'Readiness probe\nfailed',
});
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'gateway', resourceVersion: '1' },
  spec: { selector: labels, type: 'LoadBalancer' },
};

const LISTS: Readonly<Record<string, readonly object[]>> = {
  services: [service],
  deployments: [deployment('2', 'gateway:1', 2)],
  pods: [pod('gateway-a', 'gateway:1', '3'), stranger],
  events: [warning('old', 'gateway-a', '5')],
};
const CHANGES: Readonly<Record<string, readonly object[]>> = {
  deployments: [
    { type: 'MODIFIED', object: deployment('10', 'gateway:2', 0) },
    { type: 'MODIFIED', object: deployment('11', 'gateway:2', 2) },
  ],
  pods: [{ type: 'ADDED', object: pod('gateway-b', 'gateway:2', '12') }],
  events: [
    { type: 'ADDED', object: warning('new', 'gateway-a', '13') },
    { type: 'ADDED', object: warning('strange', 'shop-x', '14') },
  ],
};

test('an onlooker sees what is behind one Service and what rolls out there, and only ever reads', async () => {
  const answer = (resource: string, watch: boolean): Answer => {
    if (resource === 'horizontalpodautoscalers')
      return { status: 403, json: { kind: 'Status', reason: 'Forbidden', message: 'may not list them' } };
    if (watch) return { watch: CHANGES[resource] ?? [], open: true };
    const items = LISTS[resource] ?? [];
    return { json: { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '6' }, items } };
  };
  await using server = await fakeApiServer(
    ({ path, query }) => answer(path.split('/').at(-1) ?? '', query.get('watch') === 'true'),
    {
      'apps/v1': [
        ['Deployment', 'deployments', true],
        ['StatefulSet', 'statefulsets', true],
      ],
      'autoscaling/v2': [['HorizontalPodAutoscaler', 'horizontalpodautoscalers', true]],
    },
  );
  const events: Event[] = [];
  const seen: RolloutSeen[] = [];
  const clock = new ScaledClock(1);
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const onlooker = await openOnlooker(
    {
      config: server.config,
      namespace: 'shop',
      service,
      found: { facts: { kubernetes: 'v1.36.0' }, axes: { nodes: '2' }, doubts: [] },
    },
    {
      clock,
      signal: new AbortController().signal,
      record: (event) => void events.push(event),
      rollout(one) {
        seen.push(one);
        if (one.edge === 'end') resolve();
      },
    },
  );
  await over;
  while (!events.some((event) => event.type === 'note')) await clock.sleep(20);
  await onlooker[Symbol.asyncDispose]();
  expect(onlooker.axes).toMatchObject({ nodes: '2', pods: '2', maxSurge: '25%' });
  expect(onlooker.facts).toMatchObject({ kubernetes: 'v1.36.0', workload: 'Deployment gateway, 2 replicas' });
  expect(onlooker.doubts).toContain('HorizontalPodAutoscalers are not seen: may not list them');
  expect(seen).toEqual([
    { edge: 'begin', object: 'Deployment gateway', what: 'template' },
    { edge: 'end', object: 'Deployment gateway' },
  ]);
  const pods = events.flatMap((event) => (event.type === 'pod' ? [`${event.pod} ${event.version}`] : []));
  expect(new Set(pods)).toEqual(new Set(['gateway-a 1', 'gateway-b 2']));
  expect(events.filter(({ type }) => type === 'note')).toEqual([
    expect.objectContaining({ text: 'Pod gateway-a: Unhealthy: Readiness probe failed' }),
  ]);
  expect(server.asked.filter(({ method }) => method !== 'GET')).toEqual([]);
});

test('the RBAC file allows to read and nothing else', () => {
  const file = join(import.meta.dirname, '..', 'watch-rbac.yaml');
  const roles = loadAllYaml(readFileSync(file, 'utf8')) as { kind: string; rules?: { verbs: string[] }[] }[];
  const verbs = new Set(roles.flatMap(({ rules }) => (rules ?? []).flatMap((rule) => rule.verbs)));
  expect(verbs).toEqual(new Set(['get', 'list', 'watch']));
});
