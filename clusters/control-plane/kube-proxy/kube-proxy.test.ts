import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATAPLANES, type DataplaneName } from '../../../harness/platforms/dataplanes.ts';
import { anyServices } from './any-services.fixture.ts';
import { chainHash, probability } from './iptables-chains.ts';
import {
  DATAPLANES_PLAYED,
  NODE,
  played,
  rulesOf,
  type WebEndpoint,
  webService,
  webSlice,
} from './kube-proxy.fixture.ts';
import { nodeRules } from './kube-proxy.ts';
import type { CiliumRules, IptablesRules, IpvsRules, NftablesRules, Rule, Target } from './rules.ts';

const here = (address: string, state?: WebEndpoint['state']): WebEndpoint => ({
  address,
  node: 'node-1',
  ...(state ? { state } : {}),
});
const there = (address: string, state?: WebEndpoint['state']): WebEndpoint => ({
  ...here(address, state),
  node: 'node-2',
});

describe.each(DATAPLANES_PLAYED)('nodeRules in mode %s', (mode) => {
  it('answers 10256, and the health-check node port by the ready endpoints of this node', () => {
    const health = (...endpoints: WebEndpoint[]) =>
      rulesOf(mode, { externalTrafficPolicy: 'Local' }, endpoints).health;
    expect(health(here('10.244.1.2'), here('10.244.1.3'), there('10.244.2.2'))).toEqual([
      { port: 10_256, ok: true },
      { port: 32_000, ok: true, localEndpoints: 2 },
    ]);
    const failing = { port: 32_000, ok: false, localEndpoints: 0 };
    expect(health(there('10.244.2.2'))[1]).toEqual(failing);
    expect(health()[1]).toEqual(failing);
    // The balancer must stop sending although the rules still serve what comes (KEP-1669).
    expect(health(here('10.244.1.2', 'draining'))[1]).toEqual(failing);
    expect(rulesOf(mode, {}, [here('10.244.1.2')]).health).toEqual([{ port: 10_256, ok: true }]);
  });

  it("holds the balancer's address", () => {
    expect(rulesOf(mode, {}, []).localAddresses).toContain('172.18.255.200');
  });

  it('does not change what it was given, and gives the same for the same', () => {
    const [spec, endpoints] = [{}, [here('10.244.1.2')]];
    expect(rulesOf(mode, spec, endpoints)).toEqual(rulesOf(mode, spec, endpoints));
    const services = [webService()];
    const slices = [webSlice(endpoints)];
    const before = structuredClone({ services, slices });
    nodeRules({ services, slices, node: NODE, ...played(mode), now: 0 });
    expect({ services, slices }).toEqual(before);
  });
});

describe('rules of netfilter', () => {
  const targetsOf = (rules: IptablesRules | NftablesRules): [string, Rule['target']][] =>
    (rules.mode === 'nftables' ? [rules.chains] : [rules.nat, rules.filter]).flatMap((chains, table) => [
      ...chains.flatMap((chain) => chain.rules.map(({ target }): [string, Target] => [`${table}`, target])),
      ...(rules.mode === 'nftables'
        ? rules.maps.flatMap(({ elements }) => elements.map(({ target }): [string, Target] => ['0', target]))
        : []),
    ]);

  it('jump only to chains that are there, look up only maps and sets that are there', () => {
    fc.assert(
      fc.property(anyServices, fc.constantFrom('iptables', 'iptables@1.22', 'nftables'), (objects, mode) => {
        const rules = nodeRules({ ...objects, node: NODE, ...played(mode), now: 0 }).rules as
          | IptablesRules
          | NftablesRules;
        const tables = rules.mode === 'nftables' ? [rules.chains] : [rules.nat, rules.filter];
        const names = tables.map((chains) => new Set(chains.map(({ name }) => name)));
        const maps = rules.mode === 'nftables' ? rules.maps.map(({ name }) => name) : [];
        const sets = rules.mode === 'nftables' ? (rules.sets ?? []).map(({ name }) => name) : [];
        for (const [table, target] of targetsOf(rules)) {
          if (target.kind === 'jump' || target.kind === 'goto')
            expect(names[Number(table)]).toContain(target.chain);
          if (target.kind === 'choose') for (const chain of target.chains) expect(names[0]).toContain(chain);
          if (target.kind === 'map') expect(maps).toContain(target.map);
        }
        for (const { rules: list } of tables.flat())
          for (const { destinationSet, recent } of list) {
            if (destinationSet) expect(sets).toContain(destinationSet);
            if (recent && rules.mode === 'nftables') expect(sets).toContain(recent.name);
          }
      }),
      { numRuns: 60 },
    );
  });

  it('give each of n endpoints the same chance', () => {
    for (let count = 1; count <= 12; count++) {
      const endpoints = Array.from({ length: count }, (_, index) => here(`10.244.1.${index + 2}`));
      const { nat } = rulesOf('iptables', {}, endpoints).rules as IptablesRules;
      const chain = nat.find(({ name }) => name.startsWith('KUBE-SVC-'));
      let left = 1;
      for (const rule of chain?.rules.slice(1) ?? []) {
        const chance = left * Number(rule.probability ?? 1);
        expect(chance).toBeCloseTo(1 / count, 8);
        left -= chance;
      }
      expect(left).toBeCloseTo(0, 8);
    }
  });

  it('leave comments out once there are more than 1000 endpoints', () => {
    const endpoints = (count: number) =>
      Array.from({ length: count }, (_, index) => here(`10.244.${index >> 8}.${index & 255}`));
    const comments = (mode: 'iptables' | 'iptables@1.22', count: number) =>
      (rulesOf(mode, {}, endpoints(count)).rules as IptablesRules).nat
        .filter(({ name }) => name.startsWith('KUBE-SEP-'))
        .flatMap(({ rules }) => rules.flatMap(({ comment }) => comment ?? [])).length;
    for (const mode of ['iptables', 'iptables@1.22'] as const) {
      expect(comments(mode, 1000)).toBe(2000);
      expect(comments(mode, 1001)).toBe(0);
    }
  });

  it('name chains by kube-proxy\u2019s hash', () => {
    // Known from kube-proxy itself: the first from the golden dumps, the others from upstream's own tests.
    expect(chainHash('default/web:http' + 'tcp')).toBe('CDGGSHYLG3RE2FKL');
    expect(chainHash('ns1/svc1:p80' + 'tcp')).toBe('XPGD46QRK7WJZT7O');
    expect(chainHash('ns1/svc1:p80' + 'tcp' + '10.180.0.1:80')).toBe('SXIVWICOYRO3J4NJ');
    expect(chainHash('ns1/svc1/tcp/p80', 8)).toBe('ULMVA6XW');
    expect(chainHash('ns1/svc1/tcp/p80__10.180.0.1/80', 8)).toBe('5OJB2KTY');
  });

  it('write a chance with ten digits, as Go does', () => {
    expect([1, 2, 3, 6, 7].map(probability)).toEqual([
      '1.0000000000',
      '0.5000000000',
      '0.3333333333',
      '0.1666666667',
      '0.1428571429',
    ]);
  });
});

describe('IPVS virtual servers', () => {
  const serversOf = (rules: { rules: unknown }, address: string) =>
    (rules.rules as IpvsRules).virtualServers.find((server) => server.address === address);

  it('stand for each address of the Service; only policy Cluster masquerades', () => {
    const { rules } = rulesOf('ipvs', { externalIPs: ['198.51.100.1'] }, [here('10.244.1.2')]);
    expect((rules as IpvsRules).virtualServers.map(({ address, port }) => `${address}:${port}`)).toEqual([
      '10.96.100.1:80',
      '198.51.100.1:80',
      '172.18.255.200:80',
      '172.18.1.1:30080',
      '10.244.1.1:30080',
    ]);
    expect(serversOf(rulesOf('ipvs', {}, []), '172.18.255.200')?.masquerade).toBe(true);
    const local = rulesOf('ipvs', { externalTrafficPolicy: 'Local' }, [
      here('10.244.1.2'),
      there('10.244.2.2'),
    ]);
    expect(serversOf(local, '172.18.255.200')).toMatchObject({
      masquerade: false,
      realServers: [{ address: '10.244.1.2', port: 8080, weight: 1 }],
    });
    expect(serversOf(local, '10.96.100.1')?.realServers).toHaveLength(2);
  });

  it('holds all their addresses on the node, endpoints or not', () => {
    expect(rulesOf('ipvs', { externalIPs: ['198.51.100.1'] }, []).localAddresses).toEqual([
      '10.96.100.1',
      '198.51.100.1',
      '172.18.255.200',
    ]);
  });

  it('keep a real server whose endpoint went away at weight 0, and take it back at weight 1', () => {
    const first = rulesOf('ipvs', {}, [here('10.244.1.2')]);
    const flipped = rulesOf('ipvs', {}, [there('10.244.2.2')], first);
    const old = { address: '10.244.1.2', port: 8080 };
    const other = { address: '10.244.2.2', port: 8080 };
    const weights = (rules: typeof first) => serversOf(rules, '172.18.255.200')?.realServers;
    expect(weights(flipped)).toEqual([
      { ...other, weight: 1 },
      { ...old, weight: 0 },
    ]);
    expect(weights(rulesOf('ipvs', {}, [there('10.244.2.2')], flipped))).toEqual(weights(flipped));
    expect(weights(rulesOf('ipvs', {}, [here('10.244.1.2')], flipped))).toEqual([
      { ...old, weight: 1 },
      { ...other, weight: 0 },
    ]);
    expect(weights(rulesOf('ipvs', {}, [], first))).toEqual([{ ...old, weight: 0 }]);
  });
});

describe("Cilium's maps", () => {
  type Name = `cilium-${string}` & DataplaneName;
  const NAMES = (Object.keys(DATAPLANES) as DataplaneName[]).filter((name) => name.startsWith('cilium'));
  const mapsOf = (name: DataplaneName, spec: object, ...endpoints: WebEndpoint[]) =>
    rulesOf(name, spec, endpoints).rules as CiliumRules;
  const slots = (maps: CiliumRules, address = '172.18.255.200') =>
    maps.services.find((service) => service.address === address)?.backends.map((backend) => backend.address);

  it('list a Service without backends, which decides what becomes of its packets', () => {
    for (const name of NAMES) expect(slots(mapsOf(name, {}))).toEqual([]);
  });

  /** What keeps its entry beside an active backend, and who takes new connections when no backend is active. */
  const EXPECTED = {
    'cilium-1.12': { unready: false, draining: true, dying: true, alone: [] },
    'cilium-1.13': { unready: false, draining: true, dying: false, alone: [] },
    'cilium-1.16': { unready: false, draining: true, dying: false, alone: ['draining'] },
    'cilium-1.18': { unready: false, draining: true, dying: false, alone: ['draining'] },
    'cilium-1.19': { unready: true, draining: true, dying: true, alone: ['draining'] },
  } as const satisfies Readonly<Record<Name, object>>;

  it('are expected of every version', () => expect(Object.keys(EXPECTED)).toEqual(NAMES));

  it.each(Object.entries(EXPECTED))('hold in %s what that version keeps', (name, expected) => {
    for (const state of ['unready', 'draining', 'dying'] as const) {
      const maps = mapsOf(name as Name, {}, here('10.244.1.2'), here('10.244.1.3', state));
      expect(maps.backends.includes('10.244.1.3:8080'), state).toBe(expected[state]);
      expect(slots(maps)).toEqual(['10.244.1.2']);
      const alone = mapsOf(name as Name, {}, here('10.244.1.3', state));
      expect(slots(alone), `${state} alone`).toEqual(
        (expected.alone as readonly string[]).includes(state) ? ['10.244.1.3'] : [],
      );
    }
  });

  it('list only this node\u2019s backends for outside addresses of policy Local', () => {
    const maps = mapsOf(
      'cilium-1.16',
      { externalTrafficPolicy: 'Local' },
      here('10.244.1.2'),
      there('10.244.2.2'),
    );
    expect(slots(maps)).toEqual(['10.244.1.2']);
    expect(slots(maps, '10.96.100.1')).toHaveLength(2);
    expect(maps.backends).toHaveLength(2);
  });

  it('keep the entry of a pod as long as any Service has it', () => {
    const backends = (...names: string[]) =>
      (
        nodeRules({
          services: [webService(), webService({ type: 'ClusterIP', clusterIP: '10.96.100.2' }, 'other')],
          slices: names.map((name) => webSlice([here('10.244.1.2')], name)),
          node: NODE,
          mode: 'cilium-1.16',
          now: 0,
        }).rules as CiliumRules
      ).backends;
    expect(backends('web', 'other')).toEqual(['10.244.1.2:8080']);
    expect(backends('other')).toEqual(['10.244.1.2:8080']);
    expect(backends()).toEqual([]);
  });
});
