import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseEndpoints } from './endpoint-choice.ts';
import { type WebEndpoint, webService, webSlice } from './kube-proxy.fixture.ts';
import { servicePorts } from './service-port.ts';

type Spec = Parameters<typeof webService>[0];

function choose(endpoints: readonly WebEndpoint[], spec: Spec = {}) {
  const [port] = servicePorts([webService(spec)], [webSlice(endpoints)], { node: 'node-1' }, 'current');
  if (!port) throw new Error('the Service has a port');
  const { cluster, local, reachable, ...rest } = chooseEndpoints(port);
  const addresses = (list: typeof cluster) => list.map(({ address }) => address);
  return {
    cluster: addresses(cluster),
    local: addresses(local),
    reachable: addresses(reachable),
    ...rest,
  };
}

const here = (address: string, state?: WebEndpoint['state']): WebEndpoint => ({
  address,
  node: 'node-1',
  ...(state ? { state } : {}),
});
const there = (address: string, state?: WebEndpoint['state']): WebEndpoint => ({
  ...here(address, state),
  node: 'node-2',
});

describe('chooseEndpoints', () => {
  it('takes ready endpoints alone while there is one', () => {
    expect(
      choose([here('10.0.0.1'), there('10.0.0.2', 'draining'), there('10.0.0.3', 'unready')]),
    ).toMatchObject({
      cluster: ['10.0.0.1'],
      local: [],
      any: true,
    });
  });

  it('falls back to those that terminate but still serve (KEP-1669)', () => {
    expect(
      choose([there('10.0.0.2', 'draining'), there('10.0.0.3', 'dying'), there('10.0.0.4', 'unready')]),
    ).toMatchObject({
      cluster: ['10.0.0.2'],
      any: true,
      internal: true,
      external: true,
    });
  });

  it('falls back within this node under policy Local though others have ready endpoints', () => {
    expect(
      choose([here('10.0.0.1', 'draining'), there('10.0.0.2')], { externalTrafficPolicy: 'Local' }),
    ).toEqual({
      cluster: ['10.0.0.2'],
      local: ['10.0.0.1'],
      reachable: ['10.0.0.2', '10.0.0.1'],
      any: true,
      internal: true,
      external: true,
    });
  });

  it('serves nobody from outside under policy Local without an endpoint here', () => {
    expect(choose([there('10.0.0.2')], { externalTrafficPolicy: 'Local' })).toMatchObject({
      local: [],
      reachable: ['10.0.0.2'],
      any: true,
      internal: true,
      external: false,
    });
  });

  it('sends pods to this node alone under internalTrafficPolicy Local, but outside traffic everywhere', () => {
    expect(choose([here('10.0.0.1'), there('10.0.0.2')], { internalTrafficPolicy: 'Local' })).toMatchObject({
      cluster: ['10.0.0.1', '10.0.0.2'],
      local: ['10.0.0.1'],
    });
    const inside = { type: 'ClusterIP', ports: [{ name: 'http', port: 80 }], internalTrafficPolicy: 'Local' };
    const { metadata, spec } = webService(inside);
    const [port] = servicePorts(
      [{ metadata: metadata ?? {}, spec: spec ?? {} }],
      [webSlice([there('10.0.0.2')])],
      { node: 'node-1' },
      'current',
    );
    expect(port && chooseEndpoints(port)).toEqual({
      cluster: [],
      local: [],
      reachable: [],
      any: true,
      internal: false,
      external: true,
    });
  });

  it('never chooses an endpoint that neither is ready nor serves, nor a remote one as local', () => {
    const endpoint = fc.record({
      address: fc.integer({ min: 1, max: 250 }).map((number) => `10.0.0.${number}`),
      node: fc.constantFrom('node-1', 'node-2'),
      state: fc.constantFrom('ready', 'unready', 'draining', 'dying'),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(endpoint, { selector: ({ address }) => address, maxLength: 12 }),
        fc.constantFrom('Local', 'Cluster'),
        fc.constantFrom('Local', 'Cluster'),
        (endpoints, externalTrafficPolicy, internalTrafficPolicy) => {
          const chosen = choose(endpoints, { externalTrafficPolicy, internalTrafficPolicy });
          const byAddress = new Map(endpoints.map((each) => [each.address, each]));
          for (const address of chosen.reachable)
            expect(['ready', 'draining']).toContain(byAddress.get(address)?.state);
          for (const address of chosen.local) expect(byAddress.get(address)?.node).toBe('node-1');
          expect(new Set(chosen.reachable)).toEqual(new Set([...chosen.cluster, ...chosen.local]));
          expect(chosen.any).toBe(endpoints.some(({ state }) => state === 'ready' || state === 'draining'));
        },
      ),
    );
  });
});

describe('hints', () => {
  const PLACE = { node: 'node-1', zone: 'zone-1' };
  type Hint = { zone?: string; node?: string; state?: WebEndpoint['state'] };
  const names = (name: string | undefined) => (name === undefined ? [] : [{ name }]);

  /** What node-1 in zone-1 chooses of endpoints with these hints, numbered from 1. */
  function chosen(hints: readonly Hint[], spec: Spec = {}, vintage: '1.22' | 'current' = 'current') {
    const slice = webSlice(
      hints.map(({ state }, index) => ({ ...there(`10.0.0.${index + 1}`), ...(state ? { state } : {}) })),
    );
    const endpoints = (slice.endpoints ?? []).map((endpoint, index) => ({
      ...endpoint,
      hints: { forZones: names(hints[index]?.zone), forNodes: names(hints[index]?.node) },
    }));
    const [port] = servicePorts([webService(spec)], [{ ...slice, endpoints }], PLACE, vintage);
    return port && chooseEndpoints(port).cluster.map(({ address }) => Number(address.split('.')[3]));
  }
  const here1 = { zone: 'zone-1', node: 'node-1' };
  const near = { zone: 'zone-1', node: 'node-2' };
  const far = { zone: 'zone-2', node: 'node-3' };

  it.each([
    ['zone hints keep to the zone', [{ zone: 'zone-1' }, { zone: 'zone-2' }], [1]],
    ['node hints go before zone hints', [near, here1, far], [2]],
    ['without one for this node the zone counts', [near, far], [1]],
    ['without one for this zone either all count', [far, { zone: 'zone-3', node: 'node-4' }], [1, 2]],
    ['a ready endpoint without hints makes all count', [{ zone: 'zone-1' }, {}], [1, 2]],
    ['a ready endpoint without node hints leaves the zone', [here1, { zone: 'zone-1' }, far], [1, 2]],
    ['endpoints that are not ready do not count', [{ zone: 'zone-1' }, far, { state: 'unready' }], [1]],
    [
      'with none ready, hints are ignored',
      [
        { ...near, state: 'draining' },
        { ...far, state: 'draining' },
      ],
      [1, 2],
    ],
  ] as const)('%s', (_what, hints, expected) => expect(chosen(hints)).toEqual(expected));

  it('mean nothing to a kube-proxy of 1.22, nor under policy Local to the local list', () => {
    expect(chosen([{ zone: 'zone-1' }, { zone: 'zone-2' }], {}, '1.22')).toEqual([1, 2]);
    const slice = webSlice([here('10.0.0.1'), there('10.0.0.2')]);
    const endpoints = (slice.endpoints ?? []).map((endpoint) => ({
      ...endpoint,
      hints: { forZones: [{ name: endpoint.nodeName === 'node-1' ? 'zone-2' : 'zone-1' }] },
    }));
    const local = webService({ externalTrafficPolicy: 'Local' });
    const [port] = servicePorts([local], [{ ...slice, endpoints }], PLACE, 'current');
    expect(port && chooseEndpoints(port)).toMatchObject({
      cluster: [{ address: '10.0.0.2' }],
      local: [{ address: '10.0.0.1' }],
    });
  });
});
