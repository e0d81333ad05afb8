import { expect, test } from 'vitest';
import type { Holder } from '../kubernetes/lease/lease.ts';
import type { Resource } from './gcloud-output.ts';
import { labelsFor } from './labels.ts';
import { type Asker, isAbandoned, isLeftOver, namespaceIn, removed } from './leftovers.ts';

const NOW = new Date('2026-01-01T12:00:00Z');
const hours = (count: number) => new Date(NOW.getTime() + count * 3_600_000);

const asker = (leases: Readonly<Record<string, Holder>> = {}): Asker => ({
  owner: 'me-here',
  now: NOW,
  holder: async (lease) => leases[lease] ?? 'unknown',
});

const resource = (changes: Partial<Resource>): Resource => ({
  name: 'a0123',
  location: { region: 'europe-west1' },
  description: '{"kubernetes.io/service-name":"onedrop-gke-cell-1-0/gateway"}',
  labels: {},
  created: hours(-1),
  ...changes,
});

test('labels hold what Google allows: lower-case letters, digits, hyphens and underscores', () => {
  const labels = labelsFor('onedrop-gke-1', 'Me@Here.example', NOW);
  for (const [name, value] of Object.entries(labels)) {
    expect(name).toMatch(/^[a-z][a-z0-9_-]{0,62}$/);
    expect(value).toMatch(/^[a-z0-9_-]{0,63}$/);
  }
});

test("a living run's cluster is left alone, though its time were over", async () => {
  const labels = labelsFor('onedrop-gke-1', 'me-here', hours(-1));
  expect(await isAbandoned(labels, asker({ 'onedrop-gke-1': 'alive' }))).toBe(false);
});

test("a dead run's cluster goes at once, though it had time left", async () => {
  const labels = labelsFor('onedrop-gke-1', 'me-here', hours(5));
  expect(await isAbandoned(labels, asker({ 'onedrop-gke-1': 'dead' }))).toBe(true);
});

test("others' clusters go when their time is over and not before, whatever leases say here", async () => {
  const leases = asker({ 'onedrop-gke-1': 'dead' });
  expect(await isAbandoned(labelsFor('onedrop-gke-1', 'somebody', hours(1)), leases)).toBe(false);
  expect(await isAbandoned(labelsFor('onedrop-gke-1', 'somebody', hours(-1)), leases)).toBe(true);
});

test('what has no expiry is nobody of ours', async () => {
  expect(await isAbandoned({}, asker())).toBe(false);
  expect(await isAbandoned({ 'managed-by': 'onedrop' }, asker())).toBe(false);
});

test("what GKE left for a dead run's Services is found by the namespace in its description", async () => {
  const dead = asker({ 'onedrop-gke-cell-1-0': 'dead' });
  expect(await isLeftOver(resource({}), dead)).toBe(true);
  expect(await isLeftOver(resource({}), asker({ 'onedrop-gke-cell-1-0': 'alive' }))).toBe(false);
});

test('without a lease here it goes after six hours', async () => {
  expect(await isLeftOver(resource({ created: hours(-5) }), asker())).toBe(false);
  expect(await isLeftOver(resource({ created: hours(-7) }), asker())).toBe(true);
});

test("other Services' balancers are never touched, however old", async () => {
  for (const description of ['', '{"kubernetes.io/service-name":"shop/onedrop-gateway"}', 'my onedrop rule'])
    expect(await isLeftOver(resource({ description, created: hours(-1000) }), asker())).toBe(false);
});

test('disks and machines go by their labels', async () => {
  const labels = labelsFor('onedrop-gke-1', 'somebody', hours(-1));
  expect(await isLeftOver(resource({ description: '', labels }), asker())).toBe(true);
  const living = labelsFor('onedrop-gke-1', 'somebody', hours(1));
  expect(await isLeftOver(resource({ description: '', labels: living, created: hours(-99) }), asker())).toBe(
    false,
  );
});

test("the namespace is read from every form of GKE's descriptions", () => {
  const namespace = 'onedrop-gke-cell-20260101-120000-7-0';
  for (const description of [
    `{"kubernetes.io/service-name":"${namespace}/gateway", "kubernetes.io/service-ip":"34.76.0.2"}`,
    `{"networking.gke.io/service-name":"${namespace}/gateway","networking.gke.io/api-version":"ga"}`,
    `{"cluster-uid":"0123","namespace":"${namespace}","service-name":"gateway","port":"80"}`,
  ])
    expect(namespaceIn(description)).toBe(namespace);
});

test('what was removed is told in the singular', () => {
  expect(
    ['forwarding-rules', 'addresses', 'health-checks', 'disks', 'target-pools'].map(
      (group) => removed(group, 'x').kind,
    ),
  ).toEqual(['GKE forwarding rule', 'GKE address', 'GKE health check', 'GKE disk', 'GKE target pool']);
});
