import type { Millis } from './duration.ts';

/** How far apart two accounts of the same thing may lie: by the model's own delays, or by what a busy machine takes in real time. */
export interface Tolerance {
  readonly model: Millis;
  /** Real milliseconds. */
  readonly real: number;
}

/**
 * The larger of both in model milliseconds. `speed`: model milliseconds a real one; null or infinite on a virtual
 * clock, where no real time passes and only the model's counts.
 */
export const tolerated = ({ model, real }: Tolerance, speed: number | null): Millis =>
  speed !== null && Number.isFinite(speed) ? Math.max(model, real * speed) : model;
