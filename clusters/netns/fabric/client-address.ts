import type { ClientAddress, ClientGroup } from '../../../harness/contracts/connection.ts';

/** Of 100.64.0.0/10: the fleet from its begin, the control group from its last quarter. */
const FIRST: Readonly<Record<ClientGroup, number>> = { fleet: 0x64400001, control: 0x64700001 };

/**
 * Each client has a source address of its own, as clients on the internet do. Node binds an address before it
 * connects and then skips ports in TIME_WAIT one by one; with addresses of their own, clients never meet that (FACTS K).
 */
export function clientAddress({ group, number }: Pick<ClientAddress, 'group' | 'number'>): string {
  const address = FIRST[group] + number;
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
