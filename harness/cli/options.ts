import { Command, Option } from 'commander';
import { AXES, type AxisName, type AxisTexts, optionName } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';

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
Every axis takes several values separated by commas; the run then has a cell for each combination.

Examples:
  npm run scenario                                             the default strategies x externalTrafficPolicy
  npm run scenario -- seventy-thirty --policy Local --nodes 2,3,6
  npm run scenario -- selector-flip --cluster sim --clients 100000 --balancer target-pool,backend-service
  npm run scenario -- seventy-thirty --policy Local --rollback-after 30s
  npm run scenario -- rolling-update --pods 4 --repeat 5 --format json > result.json

  npm run scenario -- all --cluster sim                        every strategy and its rollback, ranked
  npm run scenario -- doctor --cluster kubeconfig              what this cluster would do to a flip, in a minute

Exit codes: 0 pass, 1 a cell failed, 2 a cell is unknown, 64 usage, 70 the harness broke.`;

/** The `scenario` command with an option for each axis; `act` gets what was typed. */
export function scenarioCommand(
  providers: readonly Provider[],
  act: (strategies: string[], options: ScenarioOptions) => Promise<void>,
): Command {
  const command = new Command('scenario')
    .description('Plays release strategies before thousands of WebSocket clients and reports what they lost.')
    .argument(
      '[strategy...]',
      'strategies to play (see --list); `all` or `compare` plays every one and ranks them; `doctor` looks at a cluster instead',
    )
    .option(
      '--cluster <name>',
      `where to play: auto, ${providers.map(({ name }) => name).join(', ')}`,
      'auto',
    )
    .optionsGroup('Axes, each with one value or several:');
  for (const [name, axis] of Object.entries(AXES)) command.addOption(axisOption(optionName(name), axis));
  command.optionsGroup('Clusters:');
  for (const option of providerOptions(providers)) command.addOption(option);
  return command
    .optionsGroup('Run:')
    .option('--seed <N>', 'seed of all randomness', '1')
    .option('--repeat <N>', 'play each cell this often, with seeds N, N+1, ...', '1')
    .option(
      '--config <FILE>',
      'your own gateway (default: onedrop.config.ts in this folder, where there is one)',
    )
    .option('--no-config', 'the built-in gateway, whatever configuration there is')
    .option('--speed <N>', 'model seconds a real second, on clusters that let one choose')
    .option('--no-predict', 'do not play the prediction of measured cells')
    .option('--out <DIR>', 'where the run is written (default: reports/runs/<id>)')
    .option('--format <text|json>', 'what is printed at the end', 'text')
    .option('--serve [PORT]', 'serve a page that shows the run while it goes on, on loopback only')
    .option('--list', 'list strategies and clusters, and end')
    .option('--service <NAME>', 'doctor: the Service to look at (default: the only load balancer)')
    .option('--namespace <NAME>', 'doctor: its namespace (default: default)')
    .option('--yes', 'do not ask before something that costs money is made')
    .option(
      '--dry-run',
      'print the cells that would be played, and the commands that clusters which cost money would be given, and end',
    )
    .addHelpText('after', EXAMPLES)
    .action(act);
}

/** Longer lists of values go into the text, or every line of the help would begin far to the right. */
const LONGEST_VALUE = 24;

function axisOption(name: string, { value, help, fallback }: (typeof AXES)[AxisName]): Option {
  return value.length <= LONGEST_VALUE
    ? new Option(`--${name} <${value}>`, `${help} (default: ${fallback})`)
    : new Option(`--${name} <VALUE>`, `${help}: ${value.replaceAll('|', ', ')} (default: ${fallback})`);
}

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
export function axisTexts(options: ScenarioOptions): AxisTexts {
  const texts = Object.keys(AXES).flatMap((name) => {
    const text = options[name as AxisName];
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(texts);
}
