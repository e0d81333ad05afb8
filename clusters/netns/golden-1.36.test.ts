import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { nodeRules } from '../control-plane/kube-proxy/kube-proxy.ts';
import type { IptablesRules, NftablesRules, NodeRules } from '../control-plane/kube-proxy/rules.ts';
import { iptablesRestore, iptablesSetup } from './fabric/iptables.ts';
import { parseDump } from './fabric/iptables-dump.fixture.ts';
import { nftablesTransaction } from './fabric/nftables.ts';
import { kubernetesService, kubernetesSlice } from './golden.fixture.ts';
import { inFreshNamespace, reasonToSkip } from './launcher/fresh-namespace.fixture.ts';

const golden = new URL('../../../shared/golden-1.36/', import.meta.url);
const cases = existsSync(golden)
  ? readdirSync(golden, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  : [];
const read = (path: string) => readFileSync(new URL(path, golden), 'utf8');

interface DumpedNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  readonly zone: string;
  readonly taints?: readonly string[];
}

const nodesOf = (name: string) => JSON.parse(read(`${name}/nodes.json`)) as readonly DumpedNode[];

function modelled(name: string, node: DumpedNode, mode: 'iptables' | 'nftables'): NodeRules {
  const service = JSON.parse(read(`${name}/service.json`)) as V1Service;
  const { items } = JSON.parse(read(`${name}/endpointslices.json`)) as { items: V1EndpointSlice[] };
  return nodeRules({
    services: [service, kubernetesService],
    slices: [...items, kubernetesSlice],
    node,
    mode,
    kubernetes: '1.36',
    now: 0,
  });
}

/** Loads modelled rules into a kernel, which says what became of them in its own words. */
const loaded = {
  iptables: (rules: IptablesRules) =>
    iptablesChains(
      inFreshNamespace(
        'iptables-restore --noflush && iptables-save',
        iptablesSetup(rules) + iptablesRestore(rules),
      ),
    ),
  nftables: (rules: NftablesRules) =>
    nftablesChains(inFreshNamespace('nft -f - && nft list table ip kube-proxy', nftablesTransaction(rules))),
};

describe.each(['iptables', 'nftables'] as const)(
  'the rules of a real kube-proxy 1.36.3 in %s mode',
  (mode) => {
    const cannotLoad = reasonToSkip(mode === 'iptables' ? 'iptables-save' : 'nft list ruleset');

    it('are there to compare with', ({ skip }) => {
      skip(cases.length === 0, 'no dumps of kube-proxy 1.36 beside the project');
      expect(cases.length).toBeGreaterThan(0);
    });

    describe.each(cases)('%s', (name) => {
      it('are what the modelled rules become once loaded', ({ skip }) => {
        skip(cannotLoad !== undefined, cannotLoad);
        for (const node of nodesOf(name)) {
          const { rules } = modelled(name, node, mode);
          const dumped = read(`${name}/${mode}/${node.name}.rules`);
          if (rules.mode === 'iptables')
            expect(loaded.iptables(rules), node.name).toEqual(iptablesChains(dumped));
          else if (rules.mode === 'nftables')
            expect(loaded.nftables(rules), node.name).toEqual(nftablesChains(dumped));
          else throw new Error(`${rules.mode} is not ${mode}`);
        }
      });

      it('leave the health ports answering as the model says', () => {
        for (const node of nodesOf(name)) {
          const { health } = modelled(name, node, mode);
          const status = (file: string) =>
            /^HTTP\/1.1 (\d+)/m.exec(read(`${name}/${mode}/${node.name}.${file}`))?.[1];
          const healthz = health.find(({ port }) => port === 10_256);
          expect(healthz?.ok ? '200' : '503', `${node.name} healthz`).toBe(status('healthz'));
          const files = readdirSync(new URL(`${name}/${mode}/`, golden));
          if (!files.includes(`${node.name}.health-nodeport`)) continue;
          const dump = read(`${name}/${mode}/${node.name}.health-nodeport`);
          const asked = Number(/^# GET \S+:(\d+)\//.exec(dump)?.[1]);
          const answer = health.find(({ port }) => port === asked);
          expect(
            answer && { status: answer.ok ? '200' : '503', count: String(answer.localEndpoints) },
            node.name,
          ).toEqual(
            status('health-nodeport') && {
              status: status('health-nodeport'),
              count: /"localEndpoints": (\d+)/.exec(dump)?.[1],
            },
          );
        }
      });
    });
  },
);

/**
 * The chains of `iptables-save` by table and name, without what no packet's fate hangs on: counters that only kernels
 * with nfacct have (and the second rule of a node port, which is there for one of them); chains that kubelet alone
 * writes, which these dumps were made without, and where among its neighbours the jump to KUBE-FIREWALL stands, which
 * is a matter of who started first; and the order of rules that concern one Service's port each.
 */
function iptablesChains(saved: string): Record<string, readonly string[]> {
  const found: Record<string, readonly string[]> = {};
  for (const [table, chains] of parseDump(saved))
    for (const [chain, lines] of chains) {
      if (/KUBELET|HINT|CANARY/.test(chain)) continue;
      const kept = lines
        .filter((line) => !/-d 127\.0\.0\.0\/8 .*-m nfacct/.test(line))
        .map((line) => line.replace(/ -m nfacct --nfacct-name +\S+/, ''));
      const first = kept.filter((line) => line.endsWith('-j KUBE-FIREWALL'));
      const others = kept.filter((line) => !line.endsWith('-j KUBE-FIREWALL'));
      const shared = ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'].includes(chain);
      const order = shared ? others.toSorted((one, other) => (portOf(one) < portOf(other) ? -1 : 1)) : others;
      if (chain.startsWith('KUBE-') || kept.length > 0) found[`${table} ${chain}`] = [...first, ...order];
    }
  return found;
}

/** The rule for node ports must stay last. */
const portOf = (line: string) => /"(\w+\/[\w:-]+)/.exec(line)?.[1] ?? 'zzz';

/** Each chain, set and map of `nft list table` with its lines; elements in any order, as the kernel hashes them. */
function nftablesChains(listed: string): Record<string, readonly string[]> {
  const found: Record<string, readonly string[]> = {};
  for (const [, name = '', body = ''] of listed.matchAll(
    /^\t((?:chain|set|map) \S+) \{\n([\s\S]*?)^\t\}/gm,
  )) {
    const joined = body.replace(
      /elements = \{([\s\S]*?)\}/,
      (_, elements: string) =>
        `elements = ${elements
          .split(',')
          .map((element) => element.trim())
          .toSorted()
          .join(', ')}`,
    );
    found[name] = joined
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
  }
  return found;
}
