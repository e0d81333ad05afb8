import { expect, test } from 'vitest';
import { dataplaneOf, proxyModeOf } from './cluster-facts.ts';

test('the mode of kube-proxy is read from its configuration, where nothing means iptables', () => {
  expect(proxyModeOf('kind: KubeProxyConfiguration\nmode: "nftables"\n')).toBe('nftables');
  expect(proxyModeOf('mode: ipvs\n')).toBe('ipvs');
  expect(proxyModeOf('mode: ""\n')).toBe('iptables');
  expect(proxyModeOf('')).toBe('iptables');
});

test('the dataplane is told by the agents that run', () => {
  expect(dataplaneOf(['anetd', 'kube-proxy'], undefined)).toBe('Dataplane V2 (anetd)');
  expect(dataplaneOf(['kube-proxy', 'kindnet'], 'nftables')).toBe('kube-proxy, nftables');
  expect(dataplaneOf(['cilium'], undefined)).toBe('Cilium without kube-proxy');
});
