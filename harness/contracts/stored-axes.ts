import { type Axes, defaultAxes } from './axes.ts';

/** What values of earlier days are called now: `proxy iptables-1.22` was both a mode and the release of its rules. */
const RENAMED: Readonly<Record<string, Partial<Axes>>> = {
  'iptables-1.22': { proxy: 'iptables', kubernetes: '1.22' },
  cilium: { proxy: 'cilium-1.12' },
};

/** What was so before it could be chosen, where today's default is another. */
const BEFORE: Partial<Axes> = { podStart: '1s' };

/**
 * The axes of a stored cell: those that came later than its log as their default is, renamed values by their new names,
 * and those that went as what replaced them.
 */
export function storedAxes(stored: Partial<Axes> & { readonly balancerStickiness?: string }): Axes {
  const { balancerStickiness, ...kept } = stored;
  const persists = balancerStickiness === 'persist' && kept.balancer === 'target-pool';
  return defaultAxes({
    ...BEFORE,
    ...kept,
    ...RENAMED[kept.proxy ?? ''],
    ...(persists ? { balancer: 'target-pool-persistent' as const } : {}),
  });
}
