import { z } from 'zod';
import type { Axes } from '../../harness/contracts/axes.ts';
import type { ProviderOption } from '../../harness/contracts/cluster.ts';
import { UsageError } from '../../harness/errors.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import { parseDuration } from '../../harness/time/duration.ts';

/** What can be chosen beside the axes; an option of the CLI each. */
export const GKE_OPTIONS: Readonly<Record<string, ProviderOption>> = {
  project: { value: 'ID', help: "GKE: project (default: gcloud's own)" },
  region: { value: 'REGION', help: 'GKE: region (default: europe-west1)' },
  zones: { value: 'ZONE-ZONE-ZONE', help: "GKE: the zones' letters (default: the region's first three)" },
  channel: { value: 'CHANNEL', help: 'GKE: release channel, rapid|regular|stable (default: regular)' },
  'gke-version': { value: 'VERSION', help: "GKE: Kubernetes version (default: the channel's own)" },
  'machine-type': { value: 'TYPE', help: 'GKE: machine type of the nodes (default: e2-standard-2)' },
  'time-to-live': { value: 'TIME', help: 'GKE: sweep removes what is older (default: 6h)' },
  'gateway-image': {
    value: 'IMAGE',
    help: 'image of the gateway on real clusters (default: the built-in one)',
  },
  'clients-from': { value: 'here|vm', help: 'GKE: where clients dial from (default: here)' },
  keep: { help: 'keep kind and GKE clusters for later runs of the same shape' },
  retain: { help: 'leave clusters as they are when a cell broke' },
};

/** Regions whose first zone is not called a (`gcloud compute zones list`). */
const ZONES_FROM_B: ReadonlySet<string> = new Set(['europe-west1', 'us-east1']);

const word = z.string().regex(/^[a-z0-9][a-z0-9.:-]*$/, 'must be lower-case letters, digits and hyphens');
const SCHEMA = z.object({
  project: word.optional(),
  region: word.default('europe-west1'),
  zones: z
    .string()
    .regex(/^[a-z](-[a-z]){0,2}$/, 'must be one to three letters, such as b-c-d')
    .optional(),
  channel: z.enum(['rapid', 'regular', 'stable']).default('regular'),
  'gke-version': z
    .string()
    .regex(/^\d+\.\d+[\w.-]*$/, 'must be a version such as 1.34')
    .optional(),
  'machine-type': word.default('e2-standard-2'),
  'time-to-live': z
    .string()
    .default('6h')
    .transform((text, context) => {
      try {
        return parseDuration(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    }),
  'gateway-image': z.string().optional(),
  'clients-from': z.enum(['here', 'vm']).default('here'),
  keep: z.literal('true').optional(),
  retain: z.literal('true').optional(),
});

export type GkeOptions = z.output<typeof SCHEMA>;

/** @throws UsageError naming every value that is not allowed. */
export function gkeOptions(chosen: Readonly<Record<string, string>>): GkeOptions {
  const read = SCHEMA.safeParse(chosen);
  if (read.success) return read.data;
  throw new UsageError(
    read.error.issues.map(
      ({ path, message }) => `--${path.join('.')} ${chosen[String(path[0])] ?? ''}: ${message}`,
    ),
  );
}

/** What makes one GKE cluster different from another: cells of one shape share it, one after the other. */
export interface Shape {
  /** Whole names, such as europe-west1-b; as many as divide the nodes evenly, three at most. */
  readonly zones: readonly string[];
  readonly nodesPerZone: number;
  readonly dataplane: 'V1' | 'V2';
}

/** GKE has the same number of nodes in each zone, so that two nodes need two zones and four as well. */
export function shapeOf({ nodes, proxy }: Axes, { region, zones }: GkeOptions): Shape {
  const letters = (zones ?? (ZONES_FROM_B.has(region) ? 'b-c-d' : 'a-b-c')).split('-');
  const count = [3, 2, 1].find((count) => count <= letters.length && nodes % count === 0) ?? 1;
  return {
    zones: letters.slice(0, count).map((letter) => `${region}-${letter}`),
    nodesPerZone: nodes / count,
    dataplane: dataplane(proxy).mode === 'cilium' ? 'V2' : 'V1',
  };
}
