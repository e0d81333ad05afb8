import { max, mean } from 'simple-statistics';
import type { History } from '../history.ts';
import type { Connections } from './connections.ts';

/** How evenly the connections lie on the gateways that serve at the end of a cell. */
export interface Shape {
  /** Gateways that are ready, the control group's not counted. */
  readonly pods: number;
  /** Connections of the fleet on the fullest. */
  readonly most: number;
  readonly mean: number;
  /** Gateways that hold none. */
  readonly empty: number;
}

/**
 * The shape in which a release leaves the connections: nothing moves a held connection, so it stays until the clients
 * or the gateways end them. Null where no gateway is ready at the end.
 */
export function shapeAtEnd({ pods }: Pick<History, 'pods'>, { byPod, byVersion }: Connections): Shape | null {
  // Pods of proxies in the path have a phase as well; nobody is ever greeted with their version.
  const serving = [...pods.values()].filter(({ version, phases }) => {
    const last = phases.at(-1);
    return version in byVersion && last?.phase === 'running' && last.ready;
  });
  if (serving.length === 0) return null;
  const held = serving.map(({ pod }) => byPod[pod]?.values.at(-1) ?? 0);
  return {
    pods: held.length,
    most: max(held),
    mean: mean(held),
    empty: held.filter((count) => count === 0).length,
  };
}

/** Whether one gateway holds more than twice what all hold on average, or one holds nothing. */
export const isSkewed = (shape: Shape): boolean => shape.pods > 1 && (excess(shape) > 1 || shape.empty > 0);

/** By how much of the mean the fullest gateway exceeds it: 0 where all hold equally many, or none hold any. */
export const excess = ({ most, mean: each }: Shape): number => (each === 0 ? 0 : most / each - 1);
