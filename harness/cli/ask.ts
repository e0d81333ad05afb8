import { createInterface } from 'node:readline/promises';
import { UsageError } from '../errors.ts';

/** Whether whoever sits at the terminal agrees. @throws UsageError saying why it is asked, where nobody sits there. */
export async function agrees(why: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError([`${why} and there is nobody to ask; agree with --yes`]);
  using terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question('Go on? [y/N] ');
  return /^y(es)?$/i.test(answer.trim());
}
