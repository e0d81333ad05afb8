import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyServices } from '../../control-plane/kube-proxy/any-services.fixture.ts';
import { NODE, rulesOf } from '../../control-plane/kube-proxy/kube-proxy.fixture.ts';
import { nodeRules } from '../../control-plane/kube-proxy/kube-proxy.ts';
import type { NftablesRules } from '../../control-plane/kube-proxy/rules.ts';
import { inFreshNamespace, reasonToSkip } from '../launcher/fresh-namespace.fixture.ts';
import { nftablesRule, nftablesTransaction } from './nftables.ts';

const cannotLoad = reasonToSkip('nft list ruleset');
const two = [
  { address: '10.244.1.2', node: 'node-1' },
  { address: '10.244.2.2', node: 'node-2' },
];
const nftablesOf = (...[spec, endpoints]: [Parameters<typeof rulesOf>[1], Parameters<typeof rulesOf>[2]]) =>
  rulesOf('nftables', spec, endpoints).rules as NftablesRules;

/** The statements about one chain or map. */
const about = (rules: NftablesRules, pattern: RegExp) =>
  nftablesTransaction(rules)
    .split('\n')
    .filter((line) => /^add (rule|element)/.test(line) && pattern.test(line))
    .map((line) => line.replace(/^add (rule|element) ip kube-proxy /, ''));

const PORT = 'SUSTUHLJ-default/web/tcp/http';

describe('the table of kube-proxy in nftables mode', () => {
  it('sends outside traffic of policy Local to this node, and pods and the node itself everywhere', () => {
    const rules = nftablesOf({ externalTrafficPolicy: 'Local' }, two);
    expect(about(rules, /^add rule ip kube-proxy (external|local|service)-S/)).toEqual([
      `external-${PORT} ip saddr 10.244.0.0/16 goto service-${PORT} comment "short-circuit pod traffic"`,
      `external-${PORT} fib saddr type local meta mark set mark or 0x4000 comment "masquerade local traffic"`,
      `external-${PORT} fib saddr type local goto service-${PORT} comment "short-circuit local traffic"`,
      `external-${PORT} goto local-${PORT}`,
      `service-${PORT} meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.1.2 . 8080, 1 : 10.244.2.2 . 8080 }`,
      `local-${PORT} meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.244.1.2 . 8080 }`,
    ]);
    expect(about(rules, /^add element ip kube-proxy (service|no-endpoint)/)).toEqual([
      `service-ips { 10.96.100.1 . tcp . 80 : goto service-${PORT} }`,
      `service-ips { 172.18.255.200 . tcp . 80 : goto external-${PORT} }`,
      `service-nodeports { tcp . 30080 : goto external-${PORT} }`,
    ]);
  });

  it('drops outside traffic of policy Local when endpoints are elsewhere only', () => {
    expect(about(nftablesOf({ externalTrafficPolicy: 'Local' }, two.slice(1)), /no-endpoint-\w+ \{/)).toEqual(
      [
        'no-endpoint-services { 172.18.255.200 . tcp . 80 comment "default/web:http" : drop }',
        'no-endpoint-nodeports { tcp . 30080 comment "default/web:http" : drop }',
      ],
    );
  });

  it('refuses everything when there is no endpoint anywhere', () => {
    expect(about(nftablesOf({}, []), /no-endpoint-\w+ \{|service-ips \{|web/)).toEqual([
      'no-endpoint-services { 10.96.100.1 . tcp . 80 comment "default/web:http" : goto reject-chain }',
      'no-endpoint-services { 172.18.255.200 . tcp . 80 comment "default/web:http" : goto reject-chain }',
      'no-endpoint-nodeports { tcp . 30080 comment "default/web:http" : goto reject-chain }',
    ]);
  });

  it('drops what is outside the source ranges, but not the node itself', () => {
    const rules = nftablesOf({ loadBalancerSourceRanges: ['172.18.0.0/16', '192.0.2.0/24'] }, two);
    expect(about(rules, /firewall-(ips \{|S)/)).toEqual([
      `firewall-ips { 172.18.255.200 . tcp . 80 : goto firewall-${PORT} }`,
      `firewall-${PORT} ip saddr != { 172.18.0.0/16, 192.0.2.0/24, 172.18.255.200 } drop`,
    ]);
  });

  it('never drops a packet for being INVALID, unlike iptables mode', () => {
    const states = nftablesOf({}, two).chains.flatMap(({ rules }) =>
      rules.flatMap((rule) => rule.states ?? []),
    );
    expect(new Set(states)).toEqual(new Set(['NEW', 'DNAT']));
  });
});

describe('nftablesTransaction', () => {
  it('keeps what affinity sets remember over a sync, and takes the sets of gone endpoints away', ({
    skip,
  }) => {
    skip(cannotLoad !== undefined, cannotLoad);
    const sticky = { sessionAffinity: 'ClientIP' };
    const [before, after] = [nftablesOf(sticky, two), nftablesOf(sticky, two.slice(0, 1))];
    const [kept, gone] = (before.sets ?? []).flatMap(({ name, timeoutSeconds }) =>
      timeoutSeconds === undefined ? [] : [name],
    );
    const element = `add element ip kube-proxy ${kept} { 192.0.2.1 }\nadd element ip kube-proxy ${gone} { 192.0.2.1 }\n`;
    const listed = inFreshNamespace(
      'nft -f - && nft list table ip kube-proxy',
      nftablesTransaction(before) + element + nftablesTransaction(after, before),
    );
    expect(listed).toMatch(new RegExp(`set ${kept} \\{[^}]*192\\.0\\.2\\.1`));
    expect(listed).not.toContain(`set ${gone}`);
  });

  it.each(['a"b', 'a\nflush ruleset', 'a\\'])(
    'refuses a comment that could end its quotation: %j',
    (comment) => {
      expect(() => nftablesRule({ comment, target: { kind: 'accept' } })).toThrow('cannot be the comment');
    },
  );

  it.each(['a b', 'a;flush', 'a\n', '}', ''])('refuses a chain name that is not one word: %j', (chain) => {
    expect(() => nftablesRule({ target: { kind: 'jump', chain } })).toThrow('cannot stand in');
  });

  it('loads for any Services, one after the other, and leaves nothing of the first', ({ skip }) => {
    skip(cannotLoad !== undefined, cannotLoad);
    fc.assert(
      fc.property(anyServices, anyServices, (before, after) => {
        const [old, rules] = [before, after].map(
          (objects) => nodeRules({ ...objects, node: NODE, mode: 'nftables', now: 0 }).rules as NftablesRules,
        ) as [NftablesRules, NftablesRules];
        const load = (text: string) => significant(inFreshNamespace('nft -f - && nft list ruleset', text));
        const both = `${nftablesTransaction(old)}${nftablesTransaction(rules, old)}`;
        expect(load(both)).toEqual(load(nftablesTransaction(rules)));
      }),
      { numRuns: 15, seed: 1 },
    );
  });
});

/** What the kernel holds, each block by itself, without the emptied chains that stay until they can be deleted. */
const significant = (listed: string) =>
  listed
    .split(/\n\n|(?<=\{)\n\t(?=set|map|chain)/)
    .map((block) => block.replace(/\n\}\s*$/, '').trim())
    .filter((block) => !/^chain \S+ \{\s*\}?$/.test(block))
    .sort();
