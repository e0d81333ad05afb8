import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { nodeRules } from '../control-plane/kube-proxy/kube-proxy.ts';
import type { IptablesRules, NodeRules } from '../control-plane/kube-proxy/rules.ts';
import { iptablesRestore, iptablesSetup } from './fabric/iptables.ts';
import { type Dump, parseDump } from './fabric/iptables-dump.fixture.ts';
import { kubernetesService, kubernetesSlice } from './golden.fixture.ts';
import { inFreshNamespace, reasonToSkip } from './launcher/fresh-namespace.fixture.ts';

const golden = new URL('../../../shared/golden/', import.meta.url);
const cases = existsSync(golden)
  ? readdirSync(golden, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  : [];
const nodes = ['node-a', 'node-b', 'node-c'].map((name, index) => ({
  name,
  address: `172.18.0.${11 + index}`,
  podCidr: `10.244.${1 + index}.0/24`,
}));
const cannotLoad = reasonToSkip('iptables-save');

const read = (path: string) => readFileSync(new URL(path, golden), 'utf8');

function modelled(name: string, node: (typeof nodes)[number]): NodeRules {
  const service = JSON.parse(read(`${name}/service.json`)) as V1Service;
  const { items } = JSON.parse(read(`${name}/endpointslices.json`)) as { items: V1EndpointSlice[] };
  return nodeRules({
    services: [service, kubernetesService],
    slices: [...items, kubernetesSlice],
    node,
    mode: 'iptables',
    kubernetes: '1.20',
    now: 0,
  });
}

describe('the rules of a real kube-proxy 1.20.2', () => {
  it('are there to compare with', ({ skip }) => {
    skip(cases.length === 0, `no dumps at ${golden.pathname}`);
    expect(cases.length).toBeGreaterThan(0);
  });

  describe.each(cases)('%s', (name) => {
    it('are what the modelled rules become once loaded', ({ skip }) => {
      skip(cannotLoad !== undefined, cannotLoad);
      for (const node of nodes) {
        const rules = modelled(name, node).rules as IptablesRules;
        const saved = inFreshNamespace(
          'iptables-restore --noflush && iptables-save',
          iptablesSetup(rules) + iptablesRestore(rules),
        );
        expect(sorted(saved), node.name).toEqual(sorted(read(`${name}/${node.name}.rules`)));
      }
    });

    it('leave the health-check node port answering as the model says', () => {
      for (const node of nodes) {
        const dump = read(`${name}/${node.name}.health-nodeport`);
        const asked = Number(/^# GET \S+:(\d+)\//.exec(dump)?.[1]);
        const answer = modelled(name, node).health.find(({ port }) => port === asked);
        const status = /^HTTP\/1.1 (\d+)/m.exec(dump)?.[1];
        const count = /"localEndpoints": (\d+)/.exec(dump)?.[1];
        expect(answer && { status: answer.ok ? '200' : '503', count: String(answer.localEndpoints) }).toEqual(
          status && { status, count },
        );
      }
    });
  });
});

/** These chains hold ports of Services in the order of Go's maps, so they are sorted by port here. */
const SHARED_CHAINS = ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-EXTERNAL-SERVICES'];

function sorted(saved: string): Dump {
  const dump = parseDump(saved);
  for (const chains of dump.values())
    for (const name of SHARED_CHAINS) {
      const lines = chains.get(name);
      lines?.sort((a, b) => serviceOf(a).localeCompare(serviceOf(b)));
    }
  return dump;
}

/** The nodeports rule must stay last. */
const serviceOf = (line: string) => /"(\w+\/[\w:-]+)/.exec(line)?.[1] ?? 'zzz';
