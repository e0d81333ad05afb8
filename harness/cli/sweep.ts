import { PROVIDERS } from '../../clusters/index.ts';
import type { Removed } from '../contracts/cluster.ts';
import { print } from './exit.ts';
import { configured } from './options.ts';

/** `onedrop sweep`: removes what killed runs left behind, on every cluster that is usable here. */
export async function sweep(typed: Readonly<Record<string, unknown>>): Promise<void> {
  let removed = 0;
  for (const provider of Object.values(PROVIDERS).map((one) => configured(one, typed))) {
    const { usable } = await provider.preflight();
    if (!usable) continue;
    const found = await provider.sweep();
    removed += found.length;
    tellRemoved(found, print);
  }
  if (removed === 0) print('nothing was left behind');
}

export const tellRemoved = (removed: readonly Removed[], tell: (text: string) => void): void => {
  for (const { kind, name } of removed) tell(`removed ${kind} ${name}, left behind by a run that was killed`);
};
