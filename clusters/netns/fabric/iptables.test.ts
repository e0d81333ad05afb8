import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyServices } from '../../control-plane/kube-proxy/any-services.fixture.ts';
import {
  iptablesOf,
  NODE,
  played,
  webService,
  webSlice,
} from '../../control-plane/kube-proxy/kube-proxy.fixture.ts';
import { nodeRules } from '../../control-plane/kube-proxy/kube-proxy.ts';
import type { IptablesRules } from '../../control-plane/kube-proxy/rules.ts';
import { inFreshNamespace, reasonToSkip } from '../launcher/fresh-namespace.fixture.ts';
import { iptablesRestore, iptablesRule, iptablesSetup } from './iptables.ts';
import { mapDump, parseDump } from './iptables-dump.fixture.ts';

const cannotLoad = reasonToSkip('iptables-save');

/** The lines about one Service, in the order of the text; static chains are the golden dumps' matter. */
const about = (rules: IptablesRules, pattern = /default\/web|-(SVC|SVL|EXT|FW|XLB|SEP)-/) =>
  iptablesRestore(rules)
    .split('\n')
    .filter((line) => line.startsWith('-A') && pattern.test(line));

const two = [
  { address: '10.244.1.2', node: 'node-1' },
  { address: '10.244.2.2', node: 'node-2' },
];
const HASH = 'CDGGSHYLG3RE2FKL';

describe('the rules of kube-proxy since 1.28', () => {
  it('send outside traffic of policy Local to this node, and pods and the node itself everywhere', () => {
    expect(about(iptablesOf('iptables', { externalTrafficPolicy: 'Local' }, two))).toEqual([
      '-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http health check node port" -m tcp --dport 32000 -j ACCEPT',
      `-A KUBE-SERVICES -d 10.96.100.1/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-${HASH}`,
      `-A KUBE-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-${HASH}`,
      `-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http" -m tcp --dport 30080 -j KUBE-EXT-${HASH}`,
      `-A KUBE-SVC-${HASH} ! -s 10.244.0.0/16 -d 10.96.100.1/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ`,
      `-A KUBE-SVC-${HASH} -m comment --comment "default/web:http -> 10.244.1.2:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-UIQK3OSOSTRHRPBX`,
      `-A KUBE-SVC-${HASH} -m comment --comment "default/web:http -> 10.244.2.2:8080" -j KUBE-SEP-4EX2N4PG4ASNZOBF`,
      `-A KUBE-EXT-${HASH} -s 10.244.0.0/16 -m comment --comment "pod traffic for default/web:http external destinations" -j KUBE-SVC-${HASH}`,
      `-A KUBE-EXT-${HASH} -m comment --comment "masquerade LOCAL traffic for default/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-A KUBE-EXT-${HASH} -m comment --comment "route LOCAL traffic for default/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-${HASH}`,
      `-A KUBE-EXT-${HASH} -j KUBE-SVL-${HASH}`,
      `-A KUBE-SVL-${HASH} -m comment --comment "default/web:http -> 10.244.1.2:8080" -j KUBE-SEP-UIQK3OSOSTRHRPBX`,
      '-A KUBE-SEP-UIQK3OSOSTRHRPBX -s 10.244.1.2/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
      '-A KUBE-SEP-UIQK3OSOSTRHRPBX -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.244.1.2:8080',
      '-A KUBE-SEP-4EX2N4PG4ASNZOBF -s 10.244.2.2/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
      '-A KUBE-SEP-4EX2N4PG4ASNZOBF -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.244.2.2:8080',
    ]);
  });

  it('drop outside traffic of policy Local in the filter table when endpoints are elsewhere only', () => {
    const rules = iptablesOf('iptables', { externalTrafficPolicy: 'Local' }, two.slice(1));
    expect(about(rules, /EXTERNAL-SERVICES.*default|-A KUBE-EXT-/)).toEqual([
      '-A KUBE-EXTERNAL-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http has no local endpoints" -m tcp --dport 80 -j DROP',
      '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web:http has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j DROP',
      `-A KUBE-EXT-${HASH} -s 10.244.0.0/16 -m comment --comment "pod traffic for default/web:http external destinations" -j KUBE-SVC-${HASH}`,
      `-A KUBE-EXT-${HASH} -m comment --comment "masquerade LOCAL traffic for default/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-A KUBE-EXT-${HASH} -m comment --comment "route LOCAL traffic for default/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-${HASH}`,
    ]);
  });

  it('guard a balancer with source ranges by KUBE-FW, and let the node itself through', () => {
    const loadBalancerSourceRanges = ['172.18.0.0/16', '192.0.2.0/24'];
    expect(
      about(
        iptablesOf('iptables', { loadBalancerSourceRanges }, two.slice(0, 1)),
        /FIREWALL.*default|KUBE-FW-/,
      ),
    ).toEqual([
      `-A KUBE-PROXY-FIREWALL -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http traffic not accepted by KUBE-FW-${HASH}" -m tcp --dport 80 -j DROP`,
      `-A KUBE-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-${HASH}`,
      `-A KUBE-FW-${HASH} -s 172.18.0.0/16 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-${HASH}`,
      `-A KUBE-FW-${HASH} -s 192.0.2.0/24 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-${HASH}`,
      `-A KUBE-FW-${HASH} -s 172.18.255.200/32 -m comment --comment "default/web:http loadbalancer IP" -j KUBE-EXT-${HASH}`,
      `-A KUBE-FW-${HASH} -m comment --comment "other traffic to default/web:http will be dropped by KUBE-PROXY-FIREWALL"`,
    ]);
  });

  it('refuse everything in the filter table when there is no endpoint anywhere', () => {
    expect(about(iptablesOf('iptables', {}, []))).toEqual([
      '-A KUBE-SERVICES -d 10.96.100.1/32 -p tcp -m comment --comment "default/web:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
      '-A KUBE-EXTERNAL-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
      '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment "default/web:http has no endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30080 -j REJECT --reject-with icmp-port-unreachable',
    ]);
  });
});

describe('the rules of kube-proxy 1.20 to 1.23', () => {
  it('mark what finds no local endpoint for kubelet to drop, and go on sending pods everywhere', () => {
    const rules = iptablesOf('iptables@1.22', { externalTrafficPolicy: 'Local' }, two.slice(1));
    expect(about(rules, /KUBE-(FW|XLB)-|-A KUBE-NODEPORTS/)).toEqual([
      `-A KUBE-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-${HASH}`,
      '-A KUBE-NODEPORTS -s 127.0.0.0/8 -p tcp -m comment --comment "default/web:http" -m tcp --dport 30080 -j KUBE-MARK-MASQ',
      `-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http" -m tcp --dport 30080 -j KUBE-XLB-${HASH}`,
      `-A KUBE-XLB-${HASH} -s 10.244.0.0/16 -m comment --comment "Redirect pods trying to reach external loadbalancer VIP to clusterIP" -j KUBE-SVC-${HASH}`,
      `-A KUBE-XLB-${HASH} -m comment --comment "masquerade LOCAL traffic for default/web:http LB IP" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ`,
      `-A KUBE-XLB-${HASH} -m comment --comment "route LOCAL traffic for default/web:http LB IP to service chain" -m addrtype --src-type LOCAL -j KUBE-SVC-${HASH}`,
      `-A KUBE-XLB-${HASH} -m comment --comment "default/web:http has no local endpoints" -j KUBE-MARK-DROP`,
      `-A KUBE-FW-${HASH} -m comment --comment "default/web:http loadbalancer IP" -j KUBE-XLB-${HASH}`,
      `-A KUBE-FW-${HASH} -m comment --comment "default/web:http loadbalancer IP" -j KUBE-MARK-DROP`,
    ]);
  });

  it('masquerade policy Cluster and keep a client with its endpoint when asked to', () => {
    const rules = iptablesOf('iptables@1.22', { sessionAffinity: 'ClientIP' }, two.slice(0, 1));
    expect(about(rules, /KUBE-FW-|KUBE-SEP-|-A KUBE-NODEPORTS/)).toEqual([
      `-A KUBE-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-FW-${HASH}`,
      '-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http" -m tcp --dport 30080 -j KUBE-MARK-MASQ',
      `-A KUBE-NODEPORTS -p tcp -m comment --comment "default/web:http" -m tcp --dport 30080 -j KUBE-SVC-${HASH}`,
      `-A KUBE-SVC-${HASH} -m comment --comment "default/web:http" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-UIQK3OSOSTRHRPBX --mask 255.255.255.255 --rsource -j KUBE-SEP-UIQK3OSOSTRHRPBX`,
      `-A KUBE-SVC-${HASH} -m comment --comment "default/web:http" -j KUBE-SEP-UIQK3OSOSTRHRPBX`,
      `-A KUBE-FW-${HASH} -m comment --comment "default/web:http loadbalancer IP" -j KUBE-MARK-MASQ`,
      `-A KUBE-FW-${HASH} -m comment --comment "default/web:http loadbalancer IP" -j KUBE-SVC-${HASH}`,
      `-A KUBE-FW-${HASH} -m comment --comment "default/web:http loadbalancer IP" -j KUBE-MARK-DROP`,
      '-A KUBE-SEP-UIQK3OSOSTRHRPBX -s 10.244.1.2/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
      '-A KUBE-SEP-UIQK3OSOSTRHRPBX -p tcp -m comment --comment "default/web:http" -m recent --set --name KUBE-SEP-UIQK3OSOSTRHRPBX --mask 255.255.255.255 --rsource -m tcp -j DNAT --to-destination 10.244.1.2:8080',
    ]);
  });

  it('do not send to a pod that terminates, even if it is the last', () => {
    const draining = [{ address: '10.244.1.2', node: 'node-1', state: 'draining' as const }];
    const rejects = (mode: 'iptables' | 'iptables@1.22') =>
      about(iptablesOf(mode, {}, draining), /REJECT/).length;
    expect(rejects('iptables@1.22')).toBe(3);
    expect(rejects('iptables')).toBe(0);
  });
});

describe('iptablesRestore', () => {
  it('deletes the chains that only the rules before had', () => {
    const before = iptablesOf('iptables', {}, two);
    const text = iptablesRestore(iptablesOf('iptables', {}, two.slice(0, 1)), before);
    expect(text).toContain(':KUBE-SEP-4EX2N4PG4ASNZOBF - [0:0]\n');
    expect(text).toContain('-X KUBE-SEP-4EX2N4PG4ASNZOBF\n');
    expect(text).not.toContain('-X KUBE-SEP-UIQK3OSOSTRHRPBX');
  });

  it.each(['a"b', 'a\nCOMMIT', 'a\\', '\u00e9'])(
    'refuses a comment that could end its quotation: %j',
    (comment) => {
      expect(() => iptablesRule('C', { comment, target: { kind: 'accept' } })).toThrow(
        'cannot be the comment',
      );
    },
  );

  it.each(['A B', 'A\nCOMMIT', '-j', ''])('refuses a chain name that is not one word: %j', (chain) => {
    expect(() => iptablesRule('C', { target: { kind: 'jump', chain } })).toThrow('cannot stand in');
  });

  it('refuses a Service whose name could end a line, rather than writing it', () => {
    const name = 'web"\n-A INPUT -j DROP';
    const rules = nodeRules({
      services: [webService({}, name)],
      slices: [webSlice(two, name)],
      node: NODE,
      mode: 'iptables',
      now: 0,
    });
    expect(() => iptablesRestore(rules.rules as IptablesRules)).toThrow('cannot be the comment');
  });

  it('is what iptables-save shows once loaded, for any Services, and again after a change', ({ skip }) => {
    skip(cannotLoad !== undefined, cannotLoad);
    fc.assert(
      fc.property(
        anyServices,
        anyServices,
        fc.constantFrom('iptables', 'iptables@1.22'),
        (before, after, mode) => {
          const [old, rules] = [before, after].map(
            (objects) =>
              nodeRules({ ...objects, node: NODE, ...played(mode), now: 0 }).rules as IptablesRules,
          ) as [IptablesRules, IptablesRules];
          const saved = inFreshNamespace(
            'iptables-restore --noflush && iptables-save',
            iptablesSetup(old) + iptablesRestore(old) + iptablesRestore(rules, old),
          );
          const wanted = iptablesSetup(rules) + iptablesRestore(rules);
          expect(mapDump(parseDump(saved), alike)).toEqual(mapDump(parseDump(wanted), alike));
        },
      ),
      { numRuns: 20, seed: 1 },
    );
  });
});

/** Without what differs from one iptables to another: digits of a probability, quotation marks. */
const alike = (line: string) =>
  line.replaceAll('"', '').replace(/probability ([\d.]+)/, (_, digits) => Number(digits).toFixed(6));
