import { Command, CommanderError } from 'commander';
import { PROVIDERS } from '../../clusters/index.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { configSchema } from '../contracts/config.ts';
import { UsageError } from '../errors.ts';
import { compare } from './compare.ts';
import { EXIT, print, say } from './exit.ts';
import { nightlyCommand } from './nightly.ts';
import { providerOptions, scenarioCommand } from './options.ts';
import { analyze, report } from './report.ts';
import { scenario } from './scenario.ts';
import { completion } from './shell/completion.ts';
import { sweep } from './sweep.ts';
import { checkCommand } from './watch/check.ts';
import { watchCommand } from './watch/watch-options.ts';

const providers = Object.values(PROVIDERS);
const strategies = Object.values(STRATEGIES);

const program = new Command('onedrop').description(
  'Shows what a Kubernetes rollout does to long-lived WebSocket connections.',
);
program.addCommand(scenarioCommand({ providers, strategies }, scenario));
program.addCommand(
  scenarioCommand({ providers, strategies }, (words, options) => scenario(['doctor', ...words], options))
    .name('doctor')
    .description(
      'Looks at a cluster for a minute, changing nothing, and predicts what a flip would do on it.',
    ),
);
program.addCommand(
  watchCommand(providers, async (...typed) => {
    // Its exporters take longer to load than all the rest.
    const { watchVerb } = await import('./watch/watch.ts');
    return watchVerb(...typed);
  }),
);
program.addCommand(checkCommand());
program
  .command('report <run>')
  .description('Renders all reports of a stored run again; <run> is its folder, its name, or last.')
  .option('--out <dir>', "another folder than the run's own")
  .option('--no-png', 'leaves out the charts as pictures')
  .action(report);
program
  .command('analyze <run>')
  .description('Analyses the event log of a stored run again and prints the result.')
  .option('--format <format>', 'text or json', 'text')
  .action(analyze);
program
  .command('compare <baseline> <candidate>')
  .description(
    'Compares two runs, or two folders of runs: exit code 0 nothing is worse, 1 something is, 2 not enough runs to tell.',
  )
  .option('--out <dir>', 'writes comparison.html, comparison.md and comparison.json there')
  .option('--format <format>', 'markdown or json', 'markdown')
  .action(compare);
program.addCommand(nightlyCommand());
const sweepCommand = program
  .command('sweep')
  .description('Removes what killed runs left behind, found by label; harmless to living runs.')
  .option(
    '--runs-older-than <AGE>',
    'removes stored runs that were last written before that as well, such as 30d',
  )
  .option('--yes', 'do not ask before stored runs are removed')
  .action(sweep);
for (const option of providerOptions(providers)) sweepCommand.addOption(option);
program
  .command('completion <shell>')
  .description('Prints a completion script for bash, zsh or fish.')
  .action((shell: string) => completion(program, shell));
program
  .command('schema')
  .description('Prints the JSON schema of onedrop.config.')
  .action(() => print(JSON.stringify(configSchema(), null, 2)));
for (const command of [program, ...program.commands])
  command.exitOverride().configureOutput({ outputError: () => {} });

// Whoever read the output has gone, or the disk is full: reports are written all the same, and the verdict's code stays.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = told(error);
}

/** Says what went wrong, and the exit code that says it as well. */
function told(error: unknown): number {
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.pass;
  if (error instanceof UsageError || error instanceof CommanderError) {
    const mistakes = error instanceof UsageError ? error.mistakes : [error.message.replace(/^error: /, '')];
    say(`${mistakes.map((mistake) => `error: ${mistake}`).join('\n')}\nSee npm run scenario -- --help`);
    return EXIT.usage;
  }
  say(`onedrop broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.broken;
}
