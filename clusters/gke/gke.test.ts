import { expect, test } from 'vitest';
import { defaultAxes, kubernetesVersion } from '../../harness/contracts/axes.ts';
import { BALANCER_NAMES } from '../../harness/platforms/balancers.ts';
import { workload } from '../../harness/workload/workload.ts';
import { googleRequest, notAsked, withBalancer } from '../kubernetes/front/google-balancer.ts';
import { healthCommand, targetPoolOf } from './backend-health.ts';
import { GcloudCommands } from './gcloud-commands.ts';
import { createGke } from './gke.ts';
import { gkeOptions, shapeOf } from './gke-options.ts';
import { planLines, plannedCommands } from './gke-plan.ts';
import { missingQuota } from './preflight-gke.ts';
import { priceInWords, pricePerHour } from './price.ts';

const RUN = { owner: 'me@here', expires: new Date('2026-01-01T06:00:00Z') };

test('the set-up of the question: three zones, a node each, Local, a target pool', () => {
  const cells = [defaultAxes({ policy: 'Local' })];
  const lines = planLines(plannedCommands(cells, gkeOptions({ project: 'p' }), RUN));
  const [create, ...more] = lines.filter((line) => line.startsWith('gcloud container clusters create'));
  expect(more).toEqual([]);
  expect(create).toBe(
    'gcloud container clusters create onedrop-gke-run --region europe-west1 ' +
      '--node-locations europe-west1-b,europe-west1-c,europe-west1-d --num-nodes 1 ' +
      '--machine-type e2-standard-2 --disk-type pd-standard --disk-size 30GB --release-channel regular ' +
      '--enable-ip-alias --labels managed-by=onedrop,onedrop-run=onedrop-gke-run,onedrop-owner=me-here,onedrop-expires=1767247200 ' +
      '--quiet --project p',
  );
  expect(lines.some((line) => line.startsWith('gcloud compute target-pools get-health'))).toBe(true);
  expect(lines.some((line) => line.includes('backend-services get-health'))).toBe(false);
});

test('every line of a plan is a comment or a command', () => {
  const lines = createGke().plan?.([defaultAxes()]) ?? [];
  expect(lines.length).toBeGreaterThan(10);
  for (const line of lines) expect(line).toMatch(/^(# |gcloud |docker )/);
});

test('what is created is deleted in the same plan', () => {
  const words = plannedCommands([defaultAxes()], gkeOptions({}), RUN).map(({ words }) => words.join(' '));
  for (const [created, removed] of [
    ['container clusters create', 'container clusters delete onedrop-gke-run'],
    ['artifacts repositories create', 'artifacts repositories delete onedrop-gke-run'],
  ] as const)
    expect(words.findIndex((text) => text.startsWith(created))).toBeLessThan(
      words.findIndex((text) => text.startsWith(removed)),
    );
});

test('as many zones as share the nodes evenly', () => {
  const options = gkeOptions({ region: 'us-central1' });
  const of = (nodes: number) => {
    const { zones, nodesPerZone } = shapeOf(defaultAxes({ nodes }), options);
    return [zones.length, nodesPerZone];
  };
  expect([1, 2, 3, 4, 5, 6].map(of)).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
    [2, 2],
    [1, 5],
    [3, 2],
  ]);
});

test('Cilium is Dataplane V2, iptables is V1, and nothing else exists on GKE', () => {
  const options = gkeOptions({});
  expect(shapeOf(defaultAxes({ proxy: 'cilium-1.16' }), options).dataplane).toBe('V2');
  expect(shapeOf(defaultAxes(), options).dataplane).toBe('V1');
  expect(createGke().refuses(defaultAxes({ proxy: 'ipvs' }))).toContain('ipvs');
  expect(
    createGke().refuses(defaultAxes({ policy: 'Local', balancer: 'backend-service-neg' })),
  ).toBeUndefined();
});

const RBS = { annotations: { 'cloud.google.com/l4-rbs': 'enabled' } };
const LEGACY = { loadBalancerClass: 'networking.gke.io/l4-regional-external-legacy' };

test.each([
  ['target-pool', '1.22.8-gke.200', {}],
  ['target-pool', '1.36', {}],
  ['target-pool', '1.37', LEGACY],
  ['backend-service', '1.25.4', { refused: expect.stringContaining('since 1.25.5') }],
  ['backend-service', '1.32.1', RBS],
  ['backend-service', '1.32.2-gke.1651999', RBS],
  ['backend-service', '1.37', { refused: expect.stringContaining('backend-service-neg') }],
  ['backend-service-neg', '1.32.1', { refused: expect.stringContaining('1.32.2-gke.1652000') }],
  ['backend-service-neg', '1.32.2-gke.1652000', RBS],
  ['backend-service-neg', '1.37', RBS],
  ['target-pool-persistent', '1.37', { refused: expect.stringContaining('what is measured') }],
  ['nlb-ip', '1.37', { refused: expect.stringContaining('not its own') }],
] as const)('%s on GKE %s is asked for, or refused: %j', (balancer, version, request) => {
  expect(googleRequest(balancer, version)).toEqual(request);
  const axes = defaultAxes({ balancer });
  const service = withBalancer(workload(axes).loadBalancer({ app: 'gateway' }), axes, version);
  expect(service.metadata?.annotations).toEqual('annotations' in request ? request.annotations : undefined);
  expect(service.spec?.loadBalancerClass).toBe(
    'loadBalancerClass' in request ? request.loadBalancerClass : undefined,
  );
});

test('every balancer that a version makes has a dry run, and every other one is refused', () => {
  for (const version of ['1.24', '1.32.1', '1.35', '1.37']) {
    const kubernetes = kubernetesVersion(version) ?? '1.37';
    for (const balancer of BALANCER_NAMES) {
      const options = gkeOptions({ project: 'p', 'gke-version': version });
      const axes = defaultAxes({ balancer, kubernetes });
      const refused = createGke(options).refuses(axes);
      expect(refused === undefined).toBe(!('refused' in googleRequest(balancer, version)));
      if (refused !== undefined) continue;
      const asks = planLines(plannedCommands([axes], options, RUN)).filter((line) =>
        line.includes('get-health'),
      );
      expect(asks).toHaveLength(1);
      expect(asks[0]).toContain(balancer === 'target-pool' ? 'target-pools' : 'backend-services');
    }
  }
});

test('a Service that was given another balancer than it asked for breaks its cell with the reason', () => {
  const given = (finalizer: string, ip = '192.0.2.1') => ({
    metadata: { name: 'gateway', finalizers: [`gke.networking.io/l4-netlb-${finalizer}`] },
    status: { loadBalancer: { ingress: ip === '' ? [] : [{ ip }] } },
  });
  const pool = defaultAxes();
  expect(notAsked(given('v1'), pool)).toBeUndefined();
  expect(notAsked(given('v3', ''), pool)).toBeUndefined();
  expect(notAsked(given('v3'), pool)).toMatch(
    /asked for target-pool and was given .*network endpoint groups.*--balancer backend-service-neg/,
  );
  expect(notAsked(given('v2'), defaultAxes({ balancer: 'backend-service-neg' }))).toContain(
    'instance groups',
  );
});

test('a target pool is named after the UID of its Service', () => {
  expect(targetPoolOf({ metadata: { uid: '01234567-89ab-cdef-0123-456789abcdef' } })).toBe(
    'a0123456789abcdef0123456789abcde',
  );
});

test('the health of a backend service is asked for where the Service names one', () => {
  const commands = new GcloudCommands(gkeOptions({}));
  const metadata = { uid: '0', annotations: { 'service.kubernetes.io/backend-service': 'k8s2-x' } };
  expect(healthCommand(commands, { metadata })).toContain('k8s2-x');
  expect(healthCommand(commands, { metadata: { uid: '0-1' } }).slice(0, 4)).toEqual([
    ...['compute', 'target-pools', 'get-health', 'a01'],
  ]);
});

test('the price grows with the nodes and is told before anything is created', () => {
  const options = gkeOptions({});
  const [three, six] = [3, 6].map((nodes) => shapeOf(defaultAxes({ nodes }), options));
  if (three === undefined || six === undefined) throw new TypeError('two shapes');
  expect(pricePerHour(three, options)).toBeCloseTo(0.1 + 3 * (0.0737 + 0.0016 + 0.005) + 0.025, 2);
  expect(pricePerHour(six, options)).toBeGreaterThan(pricePerHour(three, options) ?? 0);
  expect(priceInWords([three], options)).toContain('3 x e2-standard-2 in europe-west1-b');
  expect(priceInWords([three], gkeOptions({ 'machine-type': 'c4-standard-2' }))).toContain('not known');
});

test('a quota that does not suffice is named with what is needed and what is free', () => {
  const shape = shapeOf(defaultAxes(), gkeOptions({}));
  const free = new Map([
    ['CPUS', 4],
    ['IN_USE_ADDRESSES', 8],
  ]);
  expect(missingQuota(free, shape, 'e2-standard-2')).toEqual(['CPUS: 6 needed, 4 free']);
});

test('all mistakes in the options are told at once', () => {
  expect(() => gkeOptions({ zones: 'europe', channel: 'weekly', 'time-to-live': 'long' })).toThrow(
    /--zones europe: .*\n--channel weekly: .*\n--time-to-live long: /,
  );
});

test('the release of Kubernetes is the one that was asked for, and cells of another one are refused', () => {
  const gke = createGke(gkeOptions({ project: 'p', 'gke-version': '1.34.1-gke.5' }));
  expect(gke.given?.()).toEqual({ kubernetes: '1.34' });
  expect(gke.refuses(defaultAxes({ kubernetes: '1.34' }))).toBeUndefined();
  expect(gke.refuses(defaultAxes({ kubernetes: '1.30' }))).toContain('not 1.30');
  expect(createGke().given?.()).toEqual({});
});
