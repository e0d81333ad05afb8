import { PROVIDERS } from '../../clusters/index.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { optionName } from '../contracts/axes.ts';
import { evidenceOf, PLATFORM_TABLES } from '../platforms/tables.ts';
import { print } from './exit.ts';
import { SYMPTOMS } from './symptoms.ts';

/** Strategies, clusters, the platforms that are modelled, and which command shows what a reader has seen happen. */
export function list(): void {
  const lines = (entries: readonly (readonly [string, string])[]) =>
    entries.map(([name, text]) => `  ${name.padEnd(24)} ${text}`).join('\n');
  const strategies = Object.values(STRATEGIES).map(({ name, question }) => [name, question] as const);
  const clusters = Object.values(PROVIDERS).map(({ name, description }) => [name, description] as const);
  const symptoms = SYMPTOMS.map(({ seen, words }) => `  ${seen}\n      npm run scenario -- ${words}`);
  const platforms = Object.entries(PLATFORM_TABLES).map(([axis, { title, entries }]) => {
    // Names that stand for the same platform are one row.
    const same = Map.groupBy(Object.entries(entries), ([, platform]) => platform);
    const rows = [...same].map(([platform, named]) => {
      const [first = '', last = first] = [named[0]?.[0], named.at(-1)?.[0]];
      return [
        first === last ? first : `${first} ... ${last}`,
        `${platform.title}: ${platform.versions} (${evidenceOf(platform)})`,
      ] as const;
    });
    return `${title} (--${optionName(axis)}), the versions that each stands for, and how its properties are known\n${lines(rows)}`;
  });
  print(
    `Strategies\n${lines(strategies)}\n\nClusters\n${lines(clusters)}\n\n${platforms.join('\n\n')}\n\nMy clients drop ...\n${symptoms.join('\n')}`,
  );
}
