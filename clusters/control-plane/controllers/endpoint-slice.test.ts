import type { V1EndpointSlice, V1Pod, V1Service } from '@kubernetes/client-node';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nameOf } from '../store/objects.ts';
import { type SliceOptions, syncEndpointSlices } from './endpoint-slice.ts';

const service = (spec: Partial<V1Service['spec']> = {}): V1Service => ({
  metadata: { name: 'web', uid: 'web' },
  spec: {
    selector: { app: 'web' },
    ports: [{ name: 'ws', port: 80, targetPort: 'http', protocol: 'TCP' }],
    ...spec,
  },
});

interface Shape {
  ready?: boolean;
  deleting?: boolean;
  labels?: Record<string, string>;
  phase?: string;
  address?: string | undefined;
  port?: number;
}

function pod(name: string, shape: Shape = {}): V1Pod {
  const { ready = true, deleting = false, labels = { app: 'web' }, phase = 'Running', port = 8080 } = shape;
  const address = 'address' in shape ? shape.address : `10.244.1.${name}`;
  return {
    metadata: { name, uid: name, labels, ...(deleting ? { deletionTimestamp: new Date(0) } : {}) },
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port, protocol: 'TCP' }] }],
    },
    status: {
      phase,
      ...(address === undefined ? {} : { podIP: address }),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  };
}

const nodes = [{ metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } } }];
let made = 0;

/** The slices after one sync. */
function sync(
  existing: readonly V1EndpointSlice[],
  pods: readonly V1Pod[],
  options: SliceOptions = {},
  given = service(),
) {
  const changes = syncEndpointSlices(given, pods, nodes, existing, options);
  const after = new Map(existing.map((slice) => [nameOf(slice), slice]));
  for (const slice of changes.updated) after.set(nameOf(slice), slice);
  for (const name of changes.removed) after.delete(name);
  for (const slice of changes.created) {
    const name = `web-${made++}`;
    after.set(name, { ...slice, metadata: { ...slice.metadata, name } });
  }
  return { slices: [...after.values()], changes };
}

const listed = (slices: readonly V1EndpointSlice[]) =>
  slices.flatMap(({ endpoints }) => endpoints ?? []).map(({ targetRef }) => targetRef?.name);

it('lists ready, unready and terminating pods with what each may still do', () => {
  const { slices } = sync([], [pod('1'), pod('2', { ready: false }), pod('3', { deleting: true })]);
  expect(slices[0]?.endpoints).toMatchObject([
    { conditions: { ready: true, serving: true, terminating: false }, nodeName: 'node-1', zone: 'zone-a' },
    { conditions: { ready: false, serving: false, terminating: false } },
    { conditions: { ready: false, serving: true, terminating: true } },
  ]);
  expect(slices[0]?.ports).toEqual([{ name: 'ws', port: 8080, protocol: 'TCP' }]);
});

it('before 1.22 a terminating pod is left out at once, and only readiness is told', () => {
  const { slices } = sync([], [pod('1'), pod('3', { deleting: true })], { terminating: false });
  expect(slices[0]?.endpoints).toHaveLength(1);
  expect(slices[0]?.endpoints?.[0]?.conditions).toEqual({ ready: true });
});

it('a pod that is no longer selected vanishes without ever terminating', () => {
  const { slices } = sync([], [pod('1'), pod('2')]);
  expect(listed(sync(slices, [pod('1', { labels: { app: 'other' } }), pod('2')]).slices)).toEqual(['2']);
});

it('leaves out pods without an address and finished ones; publishNotReadyAddresses makes all ready', () => {
  const pods = [pod('1', { address: undefined }), pod('2', { phase: 'Failed' }), pod('3', { ready: false })];
  const { slices } = sync([], pods, {}, service({ publishNotReadyAddresses: true }));
  expect(listed(slices)).toEqual(['3']);
  expect(slices[0]?.endpoints?.[0]?.conditions?.ready).toBe(true);
});

it('pods whose named port differs get slices of their own', () => {
  const { slices } = sync([], [pod('1'), pod('2', { port: 9090 })]);
  expect(slices.map(({ ports }) => ports?.[0]?.port).sort()).toEqual([8080, 9090]);
});

it('keeps one empty slice when nothing is selected, and fills it again', () => {
  const full = sync([], [pod('1')]).slices;
  const empty = sync(full, []);
  expect(empty.slices).toHaveLength(1);
  expect(empty.slices[0]?.endpoints).toEqual([]);
  expect(sync(empty.slices, []).changes).toEqual({ created: [], updated: [], removed: [] });
  const again = sync(empty.slices, [pod('1')]);
  expect(listed(again.slices)).toEqual(['1']);
  expect(again.slices).toHaveLength(1);
});

it('a Service without selector is left alone', () => {
  const given = service();
  delete given.spec?.selector;
  expect(syncEndpointSlices(given, [pod('1')], nodes, [])).toEqual({ created: [], updated: [], removed: [] });
});

it('however pods come and go, each is listed once, no slice is overfull, and a second sync changes nothing', () => {
  const rounds = fc.array(fc.uniqueArray(fc.integer({ min: 2, max: 40 }), { maxLength: 30 }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(rounds, (all) => {
      let slices: V1EndpointSlice[] = [];
      for (const numbers of all) {
        const pods = numbers.map((number) => pod(String(number), { ready: number % 3 > 0 }));
        slices = sync(slices, pods, { mostPerSlice: 7 }).slices;
        expect(listed(slices).sort()).toEqual(numbers.map(String).sort());
        for (const { endpoints } of slices) expect(endpoints?.length).toBeLessThanOrEqual(7);
        const again = sync(slices, pods, { mostPerSlice: 7 }).changes;
        expect([again.created, again.updated, again.removed]).toEqual([[], [], []]);
      }
    }),
    { numRuns: 60 },
  );
});

it.each([
  ['PreferClose', { forZones: [{ name: 'zone-a' }] }],
  ['PreferSameZone', { forZones: [{ name: 'zone-a' }] }],
  ['PreferSameNode', { forZones: [{ name: 'zone-a' }], forNodes: [{ name: 'node-1' }] }],
  [undefined, undefined],
])('trafficDistribution %s hints ready endpoints and no others', (trafficDistribution, hints) => {
  const given = service(trafficDistribution === undefined ? {} : { trafficDistribution });
  const { slices } = sync([], [pod('1'), pod('2', { ready: false })], {}, given);
  expect(slices.flatMap(({ endpoints }) => endpoints ?? []).map((endpoint) => endpoint.hints)).toEqual([
    hints,
    undefined,
  ]);
});

it('hints come and go with the field, in the same slice', () => {
  const near = service({ trafficDistribution: 'PreferSameZone' });
  const { slices } = sync([], [pod('1')]);
  const { changes } = sync(slices, [pod('1')], {}, near);
  expect(changes).toMatchObject({ created: [], updated: [{}], removed: [] });
  expect(changes.updated[0]?.endpoints?.[0]?.hints).toEqual({ forZones: [{ name: 'zone-a' }] });
  const back = sync(changes.updated, [pod('1')]).changes;
  expect(back.updated[0]?.endpoints?.[0]).not.toHaveProperty('hints');
});

it('a release that does not know a value makes no hints of it', () => {
  const near = service({ trafficDistribution: 'PreferSameNode' });
  const { slices } = sync([], [pod('1')], { trafficDistribution: ['PreferClose'] }, near);
  expect(slices[0]?.endpoints?.[0]).not.toHaveProperty('hints');
});
