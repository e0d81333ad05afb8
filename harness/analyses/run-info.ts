import { z } from 'zod';

/** What run.json holds: all that is true of a run but not of its seed, so that logs of one seed stay identical. */
export const RunInfo = z.object({
  /** The run's name and folder, such as `2026-11-22T22-06-01Z-selector-flip`. */
  id: z.string(),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
  /** The command to run it again. */
  command: z.string(),
  /** The machine it ran on, in one line. */
  machine: z.string(),
  onedrop: z.string(),
  commit: z.string(),
  seed: z.number(),
});

export type RunInfo = z.output<typeof RunInfo>;
