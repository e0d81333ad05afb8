import { expect, test } from 'vitest';
import { conntrackEvent, growth, kernelCounters, ruleCounters } from './counters.ts';

test('the kernel counts what it refused and reset', () => {
  const snmp = [
    'Ip: Forwarding InReceives OutNoRoutes',
    'Ip: 1 900 7',
    'Icmp: InMsgs OutDestUnreachs',
    'Icmp: 3 24',
    'Tcp: ActiveOpens OutRsts',
    'Tcp: 10 2',
    '',
  ].join('\n');
  expect(kernelCounters(snmp)).toEqual({ 'Icmp.OutDestUnreachs': 24, 'Ip.OutNoRoutes': 7, 'Tcp.OutRsts': 2 });
});

test('rules that rejected or dropped something are told by chain and comment', () => {
  const saved = [
    '*filter',
    ':INPUT ACCEPT [10:600]',
    '[12:720] -A KUBE-EXTERNAL-SERVICES -d 172.18.255.200/32 -p tcp -m comment --comment "default/gateway:ws has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable',
    '[0:0] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    '[3:180] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    '[99:180] -A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
  ].join('\n');
  expect(ruleCounters(saved)).toEqual({
    'REJECT in KUBE-EXTERNAL-SERVICES: default/gateway:ws has no endpoints': 12,
    'DROP in KUBE-FORWARD': 3,
  });
});

test('conntrack tells new connections from those picked up in mid-stream', () => {
  const flow = 'src=100.64.0.1 dst=172.18.255.200 sport=40000 dport=80 [UNREPLIED]';
  expect(conntrackEvent(`    [NEW] tcp      6 120 SYN_SENT ${flow}`)).toBe('opened');
  expect(conntrackEvent(`    [NEW] tcp      6 300 ESTABLISHED ${flow}`)).toBe('picked up in mid-stream');
  expect(conntrackEvent(`[DESTROY] tcp      6 ${flow}`)).toBe('ended');
  expect(
    conntrackEvent('conntrack v1.4.7 (conntrack-tools): 3 flow events have been shown.'),
  ).toBeUndefined();
});

test('growth forgets what did not change and what a reset took back', () => {
  expect(growth({ a: 1, b: 5, c: 9 }, { a: 1, b: 7, c: 2, d: 1 })).toEqual({ b: 2, c: 2, d: 1 });
});
