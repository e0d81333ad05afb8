import { PROVIDERS } from '../../../clusters/index.ts';
import { type Incident, sidesOf } from '../../../scenarios/incidents/incident.ts';
import { INCIDENTS } from '../../../scenarios/incidents/index.ts';
import { STRATEGIES } from '../../../scenarios/index.ts';
import { optionName } from '../../contracts/axes.ts';
import type { Provider } from '../../contracts/cluster.ts';
import type { Strategy } from '../../contracts/scenario.ts';
import { type PlannedCell, planCells } from '../../run/plan.ts';
import { axisTexts, type ScenarioOptions } from '../options.ts';

/** The word, in place of strategies, that plays the public incidents; words behind it choose some of them. */
const INCIDENTS_WORD = 'incidents';

export const asksForIncidents = ([first]: readonly string[]): boolean => first === INCIDENTS_WORD;

/** The incidents of these names, all where there is none; adds what is not known to `mistakes`. */
export function chooseIncidents([, ...names]: readonly string[], mistakes: string[]): Incident[] {
  for (const name of names)
    if (!INCIDENTS.some(({ id }) => id === name))
      mistakes.push(`incident ${name}: not known; choose from ${INCIDENTS.map(({ id }) => id).join(', ')}`);
  return INCIDENTS.filter(({ id }) => names.length === 0 || names.includes(id));
}

/** Adds what was typed that an incident itself decides: its axes, and that its numbers are the simulator's. */
export function refuseOwn(options: ScenarioOptions, mistakes: string[]): void {
  for (const axis of Object.keys(axisTexts(options)))
    mistakes.push(`--${optionName(axis)}: every incident has its own; play its strategy to try another`);
  if (!['auto', 'sim'].includes(options.cluster))
    mistakes.push(`--cluster ${options.cluster}: incidents are played on sim`);
  if (options.repeat !== '1') mistakes.push(`--repeat ${options.repeat}: incidents are played once`);
  if (typeof options.config === 'string')
    mistakes.push(`--config ${options.config}: incidents are played with the built-in gateway`);
}

/** Where incidents are played. */
export const incidentProviders = (): readonly Provider[] => [PROVIDERS.sim as Provider];

/** Two cells an incident, `id/before` and `id/after`, where there is an after. */
export const incidentCells = (incidents: readonly Incident[], seed: number): PlannedCell[] =>
  incidents.flatMap((incident) =>
    sidesOf(incident).flatMap(({ name, axes }) =>
      planCells({
        strategies: [STRATEGIES[incident.strategy] as Strategy],
        providers: incidentProviders(),
        texts: axes,
        seed,
        repeat: 1,
      }).map((cell) => ({ ...cell, id: `${incident.id}/${name}`, title: `${incident.reference}, ${name}` })),
    ),
  );
