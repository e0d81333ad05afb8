import { Command, Option } from 'commander';
import { AXES, type AxisName, type AxisTexts, optionName } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { axisGroups, FIRST, FIRST_OPTIONS, strategyDefaults } from './help.ts';

/** What the user typed after `npm run scenario --`, not yet checked. */
export type ScenarioOptions = AxisTexts & {
  readonly cluster: string;
  readonly seed: string;
  readonly repeat: string;
  readonly out?: string;
  readonly format: string;
  /** A file; false: the built-in gateway even where there is one. */
  readonly config?: string | boolean;
  readonly speed?: string;
  readonly predict: boolean;
  readonly serve?: true | string;
  readonly list?: true;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly service?: string;
  readonly namespace?: string;
};

const EXAMPLES = `
Examples:
  npm run scenario                                             the default strategies x externalTrafficPolicy
  npm run scenario -- seventy-thirty --policy Local --nodes 2,3,6
  npm run scenario -- selector-flip --cluster sim --clients 100000 --balancer target-pool,backend-service
  npm run scenario -- seventy-thirty --policy Local --rollback-after 30s
  npm run scenario -- rolling-update --pods 4 --repeat 5 --format json > result.json

  npm run scenario -- --list                                   strategies, clusters, and "my clients drop when ..."
  npm run scenario -- all --cluster sim                        every strategy and its rollback, ranked
  npm run scenario -- incidents                                public incidents, before and after what fixed them
  npm run scenario -- doctor --cluster kubeconfig              what this cluster would do to a flip, in a minute

Exit codes: 0 pass, 1 a cell failed, 2 a cell is unknown, 64 usage, 70 the harness broke.`;

/** Options of a run that are no axes. */
const RUN: readonly Option[] = [
  new Option(
    '--config <FILE>',
    'your own gateway (default: onedrop.config.ts in this folder, where there is one)',
  ),
  new Option('--out <DIR>', 'where the run is written (default: reports/runs/<id>)'),
  new Option('--list', 'list strategies, clusters and symptoms, and end'),
  new Option(
    '--dry-run',
    'print the cells that would be played, with their axes, and the commands that clusters which cost money would be given, and end',
  ),
  new Option('--seed <N>', 'seed of all randomness').default('1'),
  new Option('--repeat <N>', 'play each cell this often, with seeds N, N+1, ...').default('1'),
  new Option('--no-config', 'the built-in gateway, whatever configuration there is'),
  new Option('--speed <N>', 'model seconds a real second, on clusters that let one choose'),
  new Option('--no-predict', 'do not play the prediction of measured cells'),
  new Option('--format <text|json>', 'what is printed at the end').default('text'),
  new Option('--serve [PORT]', 'serve a page that shows the run while it goes on, on loopback only'),
  new Option('--yes', 'do not ask before something that costs money is made'),
];

/** What only `doctor` heeds. */
const DOCTOR: readonly Option[] = [
  new Option('--service <NAME>', 'the Service to look at (default: the only load balancer)'),
  new Option('--namespace <NAME>', 'its namespace (default: default)'),
];

/** The `scenario` command with an option for each axis; `act` gets what was typed. */
export function scenarioCommand(
  { providers, strategies }: { providers: readonly Provider[]; strategies: readonly Strategy[] },
  act: (strategies: string[], options: ScenarioOptions) => Promise<void>,
): Command {
  const command = new Command('scenario')
    .description('Plays release strategies before thousands of WebSocket clients and reports what they lost.')
    .argument(
      '[strategy...]',
      'strategies to play (see --list); `all` or `compare` plays every one and ranks them; `incidents` plays public incidents, before and after what fixed them; `doctor` looks at a cluster instead',
    );
  for (const option of groupedOptions(providers)) command.addOption(option);
  return command
    .addHelpOption(new Option('-h, --help', 'this').helpGroup('The run:'))
    .addHelpText('after', `\n${strategyDefaults(strategies)}\n${EXAMPLES}`)
    .action(act);
}

/** Every option under its heading, in the order in which the help shows them. */
function groupedOptions(providers: readonly Provider[]): Option[] {
  const groups = axisGroups();
  const names = providers.map(({ name }) => name).join(', ');
  const options = [
    new Option('--cluster <name>', `where to play: auto, ${names}`).default('auto').helpGroup(FIRST),
    ...[...groups].map(([name, heading]) => axisOption(optionName(name), AXES[name]).helpGroup(heading)),
    ...providerOptions(providers).map((option) => option.helpGroup('Clusters:')),
    ...DOCTOR.map((option) => option.helpGroup('Only doctor:')),
    ...RUN.map((option) =>
      option.helpGroup(FIRST_OPTIONS.includes(option.name()) && !option.negate ? FIRST : 'The run:'),
    ),
  ];
  const rank = (option: Option) => {
    const index = option.helpGroupHeading === FIRST ? FIRST_OPTIONS.indexOf(option.name()) : -1;
    return index < 0 ? FIRST_OPTIONS.length : index;
  };
  return options.toSorted((one, other) => rank(one) - rank(other));
}

/** Longer lists of values go into the text, or every line of the help would begin far to the right. */
const LONGEST_VALUE = 24;

function axisOption(name: string, { value, help, fallback }: (typeof AXES)[AxisName]): Option {
  return value.length <= LONGEST_VALUE
    ? new Option(`--${name} <${value}>`, `${help} (default: ${fallback})`)
    : new Option(`--${name} <VALUE>`, `${help}: ${value.replaceAll('|', ', ')} (default: ${fallback})`);
}

/** An option for each of these axes. */
export const axisOptions = (names: readonly AxisName[]): Option[] =>
  names.map((name) => axisOption(optionName(name), AXES[name]));

/** The options of clusters that have some of their own; several may share one. */
export function providerOptions(providers: readonly Provider[]): Option[] {
  const options = new Map(providers.flatMap((provider) => Object.entries(provider.options ?? {})));
  return [...options].map(
    ([name, { value, help }]) => new Option(`--${name}${value === undefined ? '' : ` <${value}>`}`, help),
  );
}

/** A provider with what was typed for it. @throws UsageError naming every value that is not allowed. */
export function configured(provider: Provider, typed: Readonly<Record<string, unknown>>): Provider {
  const chosen = Object.keys(provider.options ?? {}).flatMap((name) => {
    const value = typed[name.replace(/-[a-z]/g, (letters) => letters.slice(1).toUpperCase())];
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  return chosen.length === 0 || provider.configure === undefined
    ? provider
    : provider.configure(Object.fromEntries(chosen));
}

/** The axes among the options. */
export function axisTexts(options: AxisTexts): AxisTexts {
  const texts = Object.keys(AXES).flatMap((name) => {
    const text = options[name as AxisName];
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(texts);
}
