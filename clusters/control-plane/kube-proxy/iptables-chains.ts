import { createHash } from 'node:crypto';
import type { Chain, Rule, Target } from './rules.ts';
import { type Endpoint, endpointText, type ServicePort } from './service-port.ts';

/** kube-proxy's `--iptables-masquerade-bit` 14 and kubelet's `--iptables-drop-bit` 15, both the defaults. */
export const MASQUERADE_MARK = 0x4000;
export const DROP_MARK = 0x8000;
/** Above this many endpoints kube-proxy leaves most comments out, to keep the rule set small. */
export const LARGE_CLUSTER_ENDPOINTS = 1000;

export const jump = (chain: string): Target => ({ kind: 'jump', chain });
export const accept: Target = { kind: 'accept' };
export const drop: Target = { kind: 'drop' };
export const reject: Target = { kind: 'reject' };

/** Chains of one table as they are filled; a chain is there once it was named. */
export class Table {
  readonly #chains = new Map<string, Rule[]>();

  constructor(...names: string[]) {
    for (const name of names) this.add(name);
  }

  /** Adds rules at the end of a chain, making the chain if need be. */
  add(chain: string, ...rules: readonly Rule[]): void {
    const known = this.#chains.get(chain);
    if (known) known.push(...rules);
    else this.#chains.set(chain, [...rules]);
  }

  chains(): Chain[] {
    return [...this.#chains].map(([name, rules]) => ({ name, rules }));
  }
}

/** The first 16 characters of base32(sha256(text)), as all per-service chain names end. */
export function chainHash(text: string, length = 16): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const digest = createHash('sha256').update(text).digest();
  let [bits, held, encoded] = [0, 0, ''];
  for (const byte of digest) {
    held = ((held << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 5 && encoded.length < length; bits -= 5)
      encoded += alphabet[(held >>> (bits - 5)) & 31];
    if (encoded.length === length) break;
  }
  return encoded;
}

export const portChain = (prefix: 'SVC' | 'SVL' | 'EXT' | 'FW' | 'XLB', port: ServicePort) =>
  `KUBE-${prefix}-${chainHash(port.name + port.protocol)}`;

export const endpointChain = (port: ServicePort, endpoint: Endpoint) =>
  `KUBE-SEP-${chainHash(port.name + port.protocol + endpointText(endpoint))}`;

/** `1/n` as Go prints it with `%0.10f`. */
export const probability = (choices: number) => (1 / choices).toFixed(10);

export const masqueradeMarked = { value: MASQUERADE_MARK, mask: MASQUERADE_MARK };

/** KUBE-POSTROUTING and KUBE-MARK-MASQ, the same in all versions since 1.16. */
export function addMasquerading(nat: Table): void {
  nat.add(
    'KUBE-POSTROUTING',
    { mark: { ...masqueradeMarked, not: true }, target: { kind: 'return' } },
    // Unset again, lest the packet is masqueraded once more when it comes round again.
    { target: { kind: 'mark', value: MASQUERADE_MARK, mask: 0, operation: 'xmark' } },
    {
      comment: 'kubernetes service traffic requiring SNAT',
      target: { kind: 'masquerade', fullyRandom: true },
    },
  );
  nat.add('KUBE-MARK-MASQ', {
    target: { kind: 'mark', value: MASQUERADE_MARK, mask: MASQUERADE_MARK, operation: 'or' },
  });
}

/** The tail of KUBE-SERVICES, after all Services. */
export const nodePortsLast: Rule = {
  comment: 'kubernetes service nodeports; NOTE: this must be the last rule in this chain',
  destinationLocal: true,
  target: jump('KUBE-NODEPORTS'),
};

/** kubelet's rule against CVE-2020-8558: with route_localnet others could reach 127.0.0.1. */
export const blockLocalnet: Rule = {
  source: { cidr: '127.0.0.0/8', not: true },
  destination: { cidr: '127.0.0.0/8' },
  comment: 'block incoming localnet connections',
  states: ['RELATED', 'ESTABLISHED', 'DNAT'],
  statesNot: true,
  target: drop,
};
