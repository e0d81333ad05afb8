import { PROVIDERS } from '../../clusters/index.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { addMistakes } from '../errors.ts';
import { configured, type ScenarioOptions } from './options.ts';

/** What `npm run scenario` plays when no strategy is named: the three of the question. */
const DEFAULT_STRATEGIES = ['selector-flip', 'readiness-fail', 'ingress-canary'];
/** Either word among the strategies plays all of them, with their variants and rollbacks, and ranks them. */
const ALL = ['all', 'compare'];

/** Whether these words ask for every strategy, compared. */
export const isComparison = (names: readonly string[]): boolean => names.some((name) => ALL.includes(name));

/** An entry of a table by the name that was typed; names that every object has are none. */
const entry = <Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** The strategies of these names, the default ones where there is none; adds what is not known to `mistakes`. */
export function chooseStrategies(names: readonly string[], mistakes: string[]): Strategy[] {
  const wanted =
    names.length === 0 ? DEFAULT_STRATEGIES : isComparison(names) ? Object.keys(STRATEGIES) : names;
  return [...new Set(wanted)].flatMap((name) => {
    const strategy = entry(STRATEGIES, name);
    if (strategy === undefined)
      mistakes.push(
        `strategy ${name}: not known; choose from all, compare, incidents, ${Object.keys(STRATEGIES).join(', ')}`,
      );
    return strategy ?? [];
  });
}

/** `auto` is the best embedded cluster that this machine allows; it says which and why. */
export async function chooseProviders({ cluster, ...typed }: ScenarioOptions, mistakes: string[]) {
  const notes: string[] = [];
  const providers: Provider[] = [];
  for (const name of new Set(cluster.split(',').map((part) => part.trim()))) {
    const provider = name === 'auto' ? await bestEmbedded(notes) : entry(PROVIDERS, name);
    if (provider === undefined)
      mistakes.push(`--cluster ${name}: not known; choose from auto, ${Object.keys(PROVIDERS).join(', ')}`);
    else
      try {
        providers.push(configured(provider, typed));
      } catch (error) {
        addMistakes(mistakes, error);
      }
  }
  for (const provider of typed.dryRun ? [] : providers) {
    const preflight = await provider.preflight();
    if (preflight.usable) notes.push(...preflight.notes);
    else
      for (const { what, mend } of preflight.missing)
        mistakes.push(`--cluster ${provider.name}: ${what}; ${mend}`);
  }
  return { providers, notes };
}

async function bestEmbedded(notes: string[]): Promise<Provider | undefined> {
  const { netns, sim } = PROVIDERS;
  const preflight = await netns?.preflight();
  if (preflight?.usable) {
    notes.push('cluster netns: measured on this Linux kernel, because this machine allows it');
    return netns;
  }
  const why = preflight?.missing.map(({ what, mend }) => `${what} (${mend})`).join('; ');
  notes.push(`cluster sim: modelled, because netns cannot run here: ${why}`);
  return sim;
}
