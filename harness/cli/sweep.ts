import { PROVIDERS } from '../../clusters/index.ts';
import type { Swept } from '../contracts/cluster.ts';
import { EXIT, print, say } from './exit.ts';
import { configured } from './options.ts';

/** `onedrop sweep`: removes what killed runs left behind, on every cluster; where it could not look it says so, and does not end with 0. */
export async function sweep(typed: Readonly<Record<string, unknown>>): Promise<void> {
  let quiet = true;
  for (const provider of Object.values(PROVIDERS).map((one) => configured(one, typed))) {
    const swept = await provider.sweep();
    tellSwept(swept, print);
    if (swept.unseen.length > 0) process.exitCode = EXIT.unknown;
    quiet &&= swept.removed.length + swept.unseen.length === 0;
  }
  if (quiet) print('nothing was left behind');
}

/** Says what was removed by `tell`, and where nobody could look on standard error. */
export function tellSwept({ removed, unseen }: Swept, tell: (text: string) => void): void {
  for (const { kind, name } of removed) tell(`removed ${kind} ${name}, left behind by a run that was killed`);
  for (const { what, why } of unseen) say(`could not look for what was left behind in ${what}: ${why}`);
}
