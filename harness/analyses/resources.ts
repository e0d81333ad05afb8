import type { Millis } from '../time/duration.ts';
import type { History } from './history.ts';

/**
 * The most pods that were there at the same time since the release began, over those that were there when it began.
 * A pod counts from its creation until it is gone, terminating ones included: all that time it takes room. 0 without
 * any release.
 */
export function extraPods({ pods, steps }: Pick<History, 'pods' | 'steps'>): number {
  const begin = steps.find(({ phase }) => phase === 'release')?.begin;
  if (begin === undefined) return 0;
  const changes: { at: Millis; by: 1 | -1 }[] = [];
  let steady = 0;
  for (const { phases } of pods.values()) {
    const came = phases[0]?.at ?? begin;
    const went = phases.find(({ phase }) => phase === 'gone')?.at;
    if (went !== undefined && went < begin) continue;
    if (came < begin) steady++;
    else changes.push({ at: came, by: 1 });
    if (went !== undefined) changes.push({ at: went, by: -1 });
  }
  // At the same moment, what goes makes room for what comes.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let count = steady;
  let most = steady;
  for (const { by } of changes) {
    count += by;
    most = Math.max(most, count);
  }
  return most - steady;
}
