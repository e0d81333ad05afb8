import { expect, test } from 'vitest';
import {
  readAccounts,
  readClusters,
  readHealth,
  readRegion,
  readRepositories,
  readResources,
} from './gcloud-output.ts';

const COMPUTE = 'https://www.googleapis.com/compute/v1/projects/some-project';

/** `gcloud compute target-pools get-health NAME --region R --format json`. */
const TARGET_POOL_HEALTH = JSON.stringify([
  {
    healthStatus: [
      {
        healthState: 'UNHEALTHY',
        instance: `${COMPUTE}/zones/europe-west1-c/instances/gke-onedrop-default-pool-2-bbbb`,
        ipAddress: '34.76.0.2',
        port: 80,
      },
    ],
    kind: 'compute#targetPoolInstanceHealth',
  },
  {
    healthStatus: [
      {
        healthState: 'HEALTHY',
        instance: `${COMPUTE}/zones/europe-west1-b/instances/gke-onedrop-default-pool-1-aaaa`,
        ipAddress: '34.76.0.2',
        port: 80,
      },
    ],
    kind: 'compute#targetPoolInstanceHealth',
  },
]);

/** `gcloud compute backend-services get-health NAME --region R --format json`; an empty group has no healthStatus. */
const BACKEND_SERVICE_HEALTH = JSON.stringify([
  {
    backend: `${COMPUTE}/zones/europe-west1-b/instanceGroups/k8s-ig--0123`,
    status: {
      healthStatus: [
        {
          forwardingRule: `${COMPUTE}/regions/europe-west1/forwardingRules/k8s2-tcp-0123`,
          forwardingRuleIp: '34.76.0.3',
          healthState: 'HEALTHY',
          instance: `${COMPUTE}/zones/europe-west1-b/instances/gke-onedrop-default-pool-1-aaaa`,
          ipAddress: '10.132.0.2',
          port: 80,
        },
      ],
      kind: 'compute#backendServiceGroupHealth',
    },
  },
  {
    backend: `${COMPUTE}/zones/europe-west1-c/instanceGroups/k8s-ig--0123`,
    status: { kind: 'compute#backendServiceGroupHealth' },
  },
]);

test('the health of a target pool names its nodes', () => {
  expect(readHealth(TARGET_POOL_HEALTH)).toEqual([
    { node: 'gke-onedrop-default-pool-1-aaaa', healthy: true },
    { node: 'gke-onedrop-default-pool-2-bbbb', healthy: false },
  ]);
});

test('the health of a backend service is read over all its groups', () => {
  expect(readHealth(BACKEND_SERVICE_HEALTH)).toEqual([
    { node: 'gke-onedrop-default-pool-1-aaaa', healthy: true },
  ]);
});

test('an answer of another shape is refused and not taken for health', () => {
  expect(() => readHealth('{"items":[]}')).toThrow();
});

test("a region's quotas are what is left of them", () => {
  const json = JSON.stringify({
    creationTimestamp: '1969-12-31T16:00:00.000-08:00',
    name: 'europe-west1',
    quotas: [
      { limit: 24.0, metric: 'CPUS', usage: 6.0 },
      { limit: 8.0, metric: 'IN_USE_ADDRESSES', usage: 8.0, owner: '' },
    ],
    status: 'UP',
    zones: [`${COMPUTE}/zones/europe-west1-d`, `${COMPUTE}/zones/europe-west1-b`],
  });
  const { zones, free } = readRegion(json);
  expect(zones).toEqual(['europe-west1-b', 'europe-west1-d']);
  expect(Object.fromEntries(free)).toEqual({ CPUS: 18, IN_USE_ADDRESSES: 0 });
});

test('resources are regional, zonal or global', () => {
  const created = '2026-01-01T00:00:00.000-08:00';
  const [forwardingRule, firewall, disk] = readResources(
    JSON.stringify([
      {
        name: 'a0123',
        creationTimestamp: created,
        description: '{"kubernetes.io/service-name":"onedrop-gke-cell-1-0/gateway"}',
        region: `${COMPUTE}/regions/europe-west1`,
      },
      { name: 'k8s-fw-a0123', creationTimestamp: created, network: `${COMPUTE}/global/networks/default` },
      {
        name: 'gke-onedrop-1',
        creationTimestamp: created,
        labels: { 'onedrop-run': 'onedrop-gke-1' },
        zone: `${COMPUTE}/zones/europe-west1-b`,
      },
    ]),
  );
  expect(forwardingRule?.location).toEqual({ region: 'europe-west1' });
  expect(firewall).toMatchObject({ location: { global: true }, description: '', labels: {} });
  expect(disk).toMatchObject({
    location: { zone: 'europe-west1-b' },
    labels: { 'onedrop-run': 'onedrop-gke-1' },
  });
  expect(disk?.created).toEqual(new Date('2026-01-01T08:00:00Z'));
});

test('clusters, repositories and accounts are read by name and labels', () => {
  const resourceLabels = { 'managed-by': 'onedrop' };
  expect(
    readClusters(
      JSON.stringify([{ name: 'c', location: 'europe-west1', resourceLabels, status: 'RUNNING' }]),
    ),
  ).toEqual([{ name: 'c', location: 'europe-west1', labels: resourceLabels }]);
  expect(
    readRepositories(
      JSON.stringify([{ name: 'projects/p/locations/europe-west1/repositories/r', format: 'DOCKER' }]),
    ),
  ).toEqual([{ name: 'r', location: 'europe-west1', labels: {} }]);
  expect(readAccounts('[{"account":"me@example.com","status":"ACTIVE"}]')).toEqual(['me@example.com']);
});
