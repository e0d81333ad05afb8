import type { Axes } from './axes.ts';
import type { Capability } from './cluster.ts';
import type { Strategy } from './scenario.ts';

/** What a strategy needs of a cluster on these axes. */
export const needsOf = ({ needs }: Pick<Strategy, 'needs'>, axes: Axes): readonly Capability[] =>
  typeof needs === 'function' ? needs(axes) : needs;
