import { describe, expect, it } from 'vitest';
import { kubernetesVersion } from '../../harness/contracts/axes.ts';
import { KUBERNETES_VERSIONS } from '../../harness/platforms/kubernetes.ts';
import { behaviourOf, rulesNotHeld } from './kubernetes-versions.ts';

describe('what a release of Kubernetes does', () => {
  it('is known for every release that can be chosen, and changes with the release that brought it', () => {
    const first = (holds: (behaviour: ReturnType<typeof behaviourOf>) => boolean) =>
      KUBERNETES_VERSIONS.find((version) => holds(behaviourOf(version)));
    expect(first(({ firstProbe }) => firstProbe === 'triggered')).toBe('1.21');
    expect(first(({ terminatingEndpoints }) => terminatingEndpoints)).toBe('1.22');
    expect(first(({ nativeSidecars }) => nativeSidecars)).toBe('1.29');
    expect(first(({ trafficDistribution }) => trafficDistribution.includes('PreferClose'))).toBe('1.31');
    expect(first(({ nodeMonitorGrace }) => nodeMonitorGrace === 50_000)).toBe('1.32');
    expect(first(({ trafficDistribution }) => trafficDistribution.includes('PreferSameNode'))).toBe('1.34');
    expect(first(({ kubeProxy }) => kubeProxy === '1.24')).toBe('1.24');
    expect(first(({ kubeProxy }) => kubeProxy === 'current')).toBe('1.26');
    expect(first(({ stableNodeSet }) => stableNodeSet)).toBe('1.27');
    expect(first(({ ownTolerance }) => ownTolerance)).toBe('1.35');
    expect(first(({ tellsLeaving }) => tellsLeaving)).toBe('1.30');
    expect(behaviourOf('1.20').nodeMonitorGrace).toBe(40_000);
  });
});

describe('rules that are not held', () => {
  it('are refused with the release from which on they are, and no others', () => {
    expect(rulesNotHeld({ proxy: 'nftables', kubernetes: '1.33' })).toContain('--kubernetes 1.34 or newer');
    expect(rulesNotHeld({ proxy: 'nftables', kubernetes: '1.34' })).toBeUndefined();
    for (const proxy of ['iptables', 'ipvs', 'cilium-1.12'] as const)
      expect(rulesNotHeld({ proxy, kubernetes: '1.20' })).toBeUndefined();
  });
});

describe('the release that a version names', () => {
  it.each([
    ['v1.34.2-gke.100', '1.34'],
    ['1.36', '1.36'],
    ['v1.20.2', '1.20'],
    ['v1.18.0', '1.20'],
    ['v1.99.0', '1.37'],
    ['rapid', undefined],
  ] as const)('%s is %s', (text, version) => expect(kubernetesVersion(text)).toBe(version));
});
