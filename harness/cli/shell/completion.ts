import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import { print } from '../exit.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** What of the program can be completed: its commands with their options, and an option's words where it has a few. */
interface Completable {
  readonly name: string;
  readonly says: string;
  readonly options: readonly {
    readonly flag: string;
    readonly says: string;
    readonly words: readonly string[];
  }[];
}

/** Reads it from the program itself, so that nothing is written twice. */
const completable = (program: Command): Completable[] =>
  program.commands.map((command) => ({
    name: command.name(),
    says: command.description(),
    options: command.options.flatMap(({ long, flags, description }) =>
      long == null ? [] : [{ flag: long, says: description, words: wordsOf(flags) }],
    ),
  }));

/** `--policy <Cluster|Local>` takes Cluster or Local; what is written in capitals stands for something else. */
function wordsOf(flags: string): string[] {
  const [, value = ''] = /[<[]([^>\]]+)[>\]]/.exec(flags) ?? [];
  const words = value.split('|');
  return words.length > 1 && !words.some((word) => /^[A-Z:%]+$/.test(word)) ? words : [];
}

/** `onedrop completion <shell>`: a script that the shell reads. @throws UsageError for a shell that is not known. */
export function completion(program: Command, shell: string): void {
  const commands = completable(program);
  const scripts: Readonly<Record<string, (commands: readonly Completable[]) => string>> = { bash, zsh, fish };
  const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (script === undefined) throw new UsageError([`completion ${shell}: must be ${SHELLS.join(', ')}`]);
  print(script(commands));
}

const names = (commands: readonly Completable[]) => commands.map(({ name }) => name).join(' ');

function bash(commands: readonly Completable[]): string {
  const cases = commands.map(({ name, options }) => {
    const words = options
      .filter((option) => option.words.length > 0)
      .map(
        ({ flag, words }) =>
          `      ${flag}) COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur")); return;;`,
      );
    const values = words.length === 0 ? '' : `\n    case $prev in\n${words.join('\n')}\n    esac`;
    return `  ${name})${values}
    COMPREPLY=($(compgen -W '${options.map(({ flag }) => flag).join(' ')}' -- "$cur"));;`;
  });
  return `# onedrop: source <(onedrop completion bash)
_onedrop() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  if [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W '${names(commands)}' -- "$cur")); return; fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
}
complete -o default -F _onedrop onedrop`;
}

function zsh(commands: readonly Completable[]): string {
  return `#compdef onedrop
# onedrop: source <(onedrop completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fish(commands: readonly Completable[]): string {
  return [
    '# onedrop: onedrop completion fish | source',
    ...commands.map(
      ({ name, says }) => `complete -c onedrop -n __fish_use_subcommand -f -a ${name} -d ${quoted(says)}`,
    ),
    ...commands.flatMap(({ name, options }) =>
      options.map(
        ({ flag, says, words }) =>
          `complete -c onedrop -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)} -d ${quoted(says)}${words.length === 0 ? '' : ` -x -a ${quoted(words.join(' '))}`}`,
      ),
    ),
  ].join('\n');
}
