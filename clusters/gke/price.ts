import type { Millis } from '../../harness/time/duration.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import type { GkeOptions, Shape } from './gke-options.ts';

/**
 * List prices in US dollars an hour without discounts, of europe-west1 (cloud.google.com/products/compute/pricing and
 * .../kubernetes-engine/pricing, 2025); other regions differ by up to a third, which an estimate may.
 */
const CLUSTER = 0.1;
const MACHINES: Readonly<Record<string, number>> = {
  'e2-small': 0.0184,
  'e2-medium': 0.0369,
  'e2-standard-2': 0.0737,
  'e2-standard-4': 0.1475,
  'e2-standard-8': 0.2949,
  'n2-standard-2': 0.1069,
  'n2-standard-4': 0.2138,
};
/** 30 GB of pd-standard at 0.04 a month each. */
const DISK = (30 * 0.04) / 730;
/** Of a running machine. */
const ADDRESS = 0.005;
/** The first five forwarding rules of a project together. */
const FORWARDING_RULES = 0.025;

/** What a cluster of this shape costs in US dollars an hour; undefined for machine types whose price is not known here. */
export function pricePerHour({ zones, nodesPerZone }: Shape, options: GkeOptions): number | undefined {
  const machine = MACHINES[options['machine-type']];
  if (machine === undefined) return undefined;
  const nodes = zones.length * nodesPerZone;
  const vm = options['clients-from'] === 'vm' ? (MACHINES['e2-small'] ?? 0) + ADDRESS : 0;
  return CLUSTER + nodes * (machine + DISK + ADDRESS) + FORWARDING_RULES + vm;
}

const dollars = (amount: number) => `$${amount.toFixed(2)}`;

/** In words, for the question before anything is created; `shapes` come one after the other, not together. */
export function priceInWords(shapes: readonly Shape[], options: GkeOptions): string {
  const life: Millis = options['time-to-live'];
  const lines = shapes.map((shape) => {
    const { zones, nodesPerZone, dataplane } = shape;
    const what = `${zones.length * nodesPerZone} x ${options['machine-type']} in ${zones.join(', ')}, Dataplane ${dataplane}`;
    const price = pricePerHour(shape, options);
    return price === undefined
      ? `a GKE cluster of ${what}: the price of ${options['machine-type']} is not known here`
      : `a GKE cluster of ${what}: about ${dollars(price)} an hour, ${dollars(price * (life / 3_600_000))} if it were forgotten until its time to live of ${formatDuration(life)} is over`;
  });
  return [
    'This creates, one after the other, and removes at the end:',
    ...lines.map((line) => `  ${line}`),
    'List prices without discounts, tax and traffic (a few cents); creating and deleting take 5 to 10 minutes each and are paid.',
  ].join('\n');
}
