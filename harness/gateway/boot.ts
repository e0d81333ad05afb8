import { hash32 } from '../statistics/random.ts';

/** How long it takes until a gateway listens, in model milliseconds. */
export interface BootRange {
  readonly least: number;
  readonly most: number;
}

/** Reads `least-most`, or one number for both; undefined where the text is neither. */
export function bootRange(text: string): BootRange | undefined {
  const [least, most = least, ...more] = text
    .split('-')
    .map((part) => (part === '' ? Number.NaN : Number(part)));
  if (least === undefined || most === undefined || more.length > 0) return undefined;
  return least >= 0 && most >= least && Number.isFinite(most) ? { least, most } : undefined;
}

/**
 * From a pod's start until its gateway listens, in model milliseconds: evenly drawn from the range by the pod's name, so
 * that a model and a process of the same pod agree and nothing needs to be told.
 */
export const bootTime = ({ least, most }: BootRange, pod: string): number =>
  least + Math.round(((most - least) * hash32(`boot/${pod}`)) / 2 ** 32);
