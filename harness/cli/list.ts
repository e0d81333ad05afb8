import { PROVIDERS } from '../../clusters/index.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { print } from './exit.ts';
import { SYMPTOMS } from './symptoms.ts';

/** Strategies, clusters, and which command shows what a reader has seen happen. */
export function list(): void {
  const lines = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, text]) => `  ${name.padEnd(18)} ${text}`).join('\n');
  const strategies = Object.values(STRATEGIES).map(({ name, question }) => [name, question] as const);
  const clusters = Object.values(PROVIDERS).map(({ name, description }) => [name, description] as const);
  const symptoms = SYMPTOMS.map(({ seen, words }) => `  ${seen}\n      npm run scenario -- ${words}`);
  print(
    `Strategies\n${lines(strategies)}\n\nClusters\n${lines(clusters)}\n\nMy clients drop ...\n${symptoms.join('\n')}`,
  );
}
