import { z } from 'zod';
import type { BackendView } from '../../harness/contracts/event.ts';
import type { Location } from './left-kinds.ts';

const labels = z.record(z.string(), z.string()).default({});

const REGION = z.object({
  zones: z.array(z.string()).default([]),
  quotas: z.array(z.object({ metric: z.string(), limit: z.number(), usage: z.number() })).default([]),
});

const CLUSTER = z.object({ name: z.string(), location: z.string(), resourceLabels: labels });

const REPOSITORY = z.object({ name: z.string(), labels });

const LEFT = z.object({
  name: z.string(),
  description: z.string().default(''),
  labels,
  creationTimestamp: z.string(),
  region: z.string().optional(),
  zone: z.string().optional(),
});

const HEALTH = z.object({ healthState: z.string().optional(), instance: z.string() });
/** Target pools answer with a list of instances, backend services with a list of groups of them. */
const HEALTHS = z.array(
  z.object({
    healthStatus: z.array(HEALTH).optional(),
    status: z.object({ healthStatus: z.array(HEALTH).optional() }).optional(),
  }),
);

/** A cluster that carries onedrop's labels. */
export interface OwnCluster {
  readonly name: string;
  readonly location: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A Compute Engine resource as far as it tells whose it is. */
export interface Resource {
  readonly name: string;
  readonly location: Location;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly created: Date;
}

/** The last part of a resource's URL. */
const lastOf = (url: string) => url.split('/').at(-1) ?? url;

/** The region's quotas by metric, and the names of its zones. */
export function readRegion(json: string): {
  readonly zones: readonly string[];
  readonly free: ReadonlyMap<string, number>;
} {
  const { zones, quotas } = REGION.parse(JSON.parse(json));
  return {
    zones: zones.map(lastOf).sort(),
    free: new Map(quotas.map(({ metric, limit, usage }) => [metric, limit - usage])),
  };
}

export const readClusters = (json: string): OwnCluster[] =>
  z
    .array(CLUSTER)
    .parse(JSON.parse(json))
    .map(({ name, location, resourceLabels }) => ({ name, location, labels: resourceLabels }));

export const readRepositories = (json: string): OwnCluster[] =>
  z
    .array(REPOSITORY)
    .parse(JSON.parse(json))
    // projects/P/locations/L/repositories/NAME
    .map(({ name, labels }) => ({ name: lastOf(name), location: name.split('/')[3] ?? '', labels }));

export const readResources = (json: string): Resource[] =>
  z
    .array(LEFT)
    .parse(JSON.parse(json))
    .map(({ name, description, labels, creationTimestamp, region, zone }) => ({
      name,
      description,
      labels,
      created: new Date(creationTimestamp),
      location:
        zone !== undefined
          ? { zone: lastOf(zone) }
          : region !== undefined
            ? { region: lastOf(region) }
            : { global: true },
    }));

/** The instances of a target pool or backend service, by name; a node's name is its instance's. */
export const readHealth = (json: string): BackendView[] =>
  HEALTHS.parse(JSON.parse(json))
    .flatMap(({ healthStatus, status }) => [...(healthStatus ?? []), ...(status?.healthStatus ?? [])])
    .map(({ instance, healthState }) => ({ node: lastOf(instance), healthy: healthState === 'HEALTHY' }))
    .sort((left, right) => (left.node < right.node ? -1 : 1));

/** How many accounts are logged in. */
export const readAccounts = (json: string): string[] =>
  z
    .array(z.object({ account: z.string() }))
    .parse(JSON.parse(json))
    .map(({ account }) => account);
