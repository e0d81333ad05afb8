import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROVIDERS } from '../../clusters/index.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { AXES, type AxisName, defaultAxes, optionName } from '../contracts/axes.ts';
import { planCells } from '../run/plan.ts';
import { chooseStrategies } from './choose.ts';
import { axisGroups, FIRST_OPTIONS, strategyDefaults, typedAxes } from './help.ts';
import { axisTexts, type ScenarioOptions, scenarioCommand } from './options.ts';
import { SYMPTOMS } from './symptoms.ts';

const strategies = Object.values(STRATEGIES);
const providers = Object.values(PROVIDERS);

test('every axis stands under one heading of the help', () => {
  expect([...axisGroups().keys()].toSorted()).toEqual(Object.keys(AXES).toSorted());
});

test('the help begins with the twelve options that most people need first', () => {
  const help = scenarioCommand({ providers, strategies }, async () => {}).helpInformation();
  const shown = [...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, name]) => name);
  expect(shown.slice(0, 12)).toEqual([...FIRST_OPTIONS]);
});

test('an axis of some strategies is told as theirs, and the values that a strategy sets by itself are told', () => {
  const help = scenarioCommand({ providers, strategies }, async () => {}).helpInformation();
  expect(help).toMatch(/Only ingress-canary, service-mesh:\n +--canary-steps/);
  expect(strategyDefaults(strategies)).toMatch(/service-mesh .*--retire abrupt/);
  expect(strategyDefaults(strategies)).toMatch(/hpa .*--pods 4/);
});

test('a strategy heeds the axes of all and its own, and nobody else’s', () => {
  const flip = chooseStrategies(['selector-flip'], [])[0];
  if (flip === undefined) throw new Error('selector-flip is gone');
  const heeded = (axis: AxisName) => !flip.ignores?.has(axis);
  expect([heeded('policy'), heeded('retire'), heeded('canarySteps')]).toEqual([true, true, false]);
  expect(typedAxes(flip, defaultAxes())).toContain('--retire paced');
  expect(typedAxes(flip, defaultAxes())).not.toContain('canary');
});

test.each(SYMPTOMS)('the command for clients that drop $seen can be played', async ({ words }) => {
  let typed: { names: string[]; options: ScenarioOptions } | undefined;
  const command = scenarioCommand({ providers, strategies }, async (names, options) => {
    typed = { names, options };
  }).exitOverride();
  await command.parseAsync(words.split(' '), { from: 'user' });
  const mistakes: string[] = [];
  const cells = planCells({
    strategies: chooseStrategies(typed?.names ?? [], mistakes),
    providers: [PROVIDERS.sim ?? never()],
    texts: axisTexts(typed?.options ?? never()),
    seed: 1,
    repeat: 1,
  });
  expect(mistakes).toEqual([]);
  expect(cells.filter(({ skip }) => skip === undefined)).not.toEqual([]);
});

test('options are spelled as axes are', () => {
  expect(optionName('drainOver')).toBe('drain-over');
});

function never(): never {
  throw new Error('cannot be');
}

test('the README tells the same symptoms', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
  for (const { seen, words } of SYMPTOMS)
    expect(readme.replaceAll(/ +\|/g, ' |')).toContain(`| ${seen.replace('... ', '')} | \`${words}\` |`);
});
