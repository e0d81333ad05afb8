import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { hash32 } from '../../../harness/statistics/random.ts';
import { NAME_ALPHABET } from './store.ts';

/** The label that tells the ReplicaSets of one Deployment, and their pods, apart. */
export const HASH_LABEL = 'pod-template-hash';

/** A name for a template: a 32-bit hash in the alphabet of generated names, as kube-controller-manager writes it (SafeEncodeString). */
export function podTemplateHash(template: V1PodTemplateSpec): string {
  const digits = String(hash32(canonical(template)));
  return [...digits].map((digit) => NAME_ALPHABET[digit.charCodeAt(0) % NAME_ALPHABET.length]).join('');
}

/** JSON with sorted keys, so that the order in which a manifest was written does not matter. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Date)
      ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  );
