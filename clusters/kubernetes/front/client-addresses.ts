import type { Axes } from '../../../harness/contracts/axes.ts';

/** Why clients that all dial from one machine cannot play what is asked about their addresses; undefined: they can. */
export function refusesAddresses({ affinity, clientsBehind }: Axes): string | undefined {
  if (affinity === 'None' && clientsBehind === undefined) return undefined;
  const asked = affinity === 'None' ? `--clients-behind ${clientsBehind}` : `--affinity ${affinity}`;
  return `${asked}: all clients dial from one machine here, and so from one address, of which sessionAffinity would make one client; use --cluster sim or netns`;
}
