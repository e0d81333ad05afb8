import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseEndpoints } from './endpoint-choice.ts';
import { type WebEndpoint, webService, webSlice } from './kube-proxy.fixture.ts';
import { servicePorts } from './service-port.ts';

type Spec = Parameters<typeof webService>[0];

function choose(endpoints: readonly WebEndpoint[], spec: Spec = {}) {
  const [port] = servicePorts(
    [webService(spec)],
    [webSlice(endpoints)],
    { node: 'node-1', zone: 'zone-a' },
    'current',
  );
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

  describe('where the Service asks for a distribution', () => {
    const to = (endpoint: WebEndpoint, zone: string, node?: string): WebEndpoint => ({
      ...endpoint,
      hints: {
        forZones: [{ name: zone }],
        ...(node === undefined ? {} : { forNodes: [{ name: node }] }),
      },
    });

    it('takes those meant for this node before those meant for its zone, and those before all', () => {
      const ofZone = [
        to(here('10.0.0.1'), 'zone-a'),
        to(there('10.0.0.2'), 'zone-a'),
        to(there('10.0.0.3'), 'zone-b'),
      ];
      expect(choose(ofZone).cluster).toEqual(['10.0.0.1', '10.0.0.2']);
      const ofNode = [to(here('10.0.0.1'), 'zone-a', 'node-1'), to(there('10.0.0.2'), 'zone-a', 'node-2')];
      expect(choose(ofNode).cluster).toEqual(['10.0.0.1']);
      expect(choose([to(there('10.0.0.2'), 'zone-b'), to(there('10.0.0.3'), 'zone-c')]).cluster).toEqual([
        '10.0.0.2',
        '10.0.0.3',
      ]);
    });

    it('takes all where one of them has no hint, those that only serve, and never heeds hints for policy Local', () => {
      expect(choose([to(here('10.0.0.1'), 'zone-a'), there('10.0.0.2')]).cluster).toHaveLength(2);
      const serving = [
        to(here('10.0.0.1', 'draining'), 'zone-a'),
        to(there('10.0.0.2', 'draining'), 'zone-b'),
      ];
      expect(choose(serving).cluster).toHaveLength(2);
      const local = [to(here('10.0.0.1'), 'zone-b'), to(there('10.0.0.2'), 'zone-a')];
      expect(choose(local, { externalTrafficPolicy: 'Local' }).local).toEqual(['10.0.0.1']);
    });
  });
});
