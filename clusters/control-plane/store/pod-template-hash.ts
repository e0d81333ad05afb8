import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { hash32 } from '../../../harness/statistics/random.ts';
import { canonical } from './canonical.ts';
import { NAME_ALPHABET } from './store.ts';

/** The label that tells the ReplicaSets of one Deployment, and their pods, apart. */
export const HASH_LABEL = 'pod-template-hash';

/** A name for a template: a 32-bit hash in the alphabet of generated names, as kube-controller-manager writes it (SafeEncodeString). */
export function podTemplateHash(template: V1PodTemplateSpec): string {
  const digits = String(hash32(canonical(template)));
  return [...digits].map((digit) => NAME_ALPHABET[digit.charCodeAt(0) % NAME_ALPHABET.length]).join('');
}
