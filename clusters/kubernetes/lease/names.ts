/** The label that everything onedrop makes carries, and by which sweep finds it. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'onedrop' } as const;

/** The label that names the run, and with it the lease that says whether it lives. */
export const RUN_LABEL = 'onedrop.dev/run';

/** `onedrop-`, what is named and for which run, cut so that longer names can be made of it (and the lease's path stays short). */
export const nameFor = (what: string, run: string): string =>
  `onedrop-${what}-${run}`.slice(0, 45).replace(/-+$/, '');
