import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Command, Option } from 'commander';
import { checkServer } from '../../check/check-server.ts';
import { checkText, judgeCheck } from '../../check/judge-check.ts';
import { startImage, startProcess } from '../../check/server.ts';
import { addMistakes, NotReachedError, UsageError } from '../../errors.ts';
import { parseDuration } from '../../time/duration.ts';
import { ScaledClock } from '../../time/scaled-clock.ts';
import { oneOf, wholeNumber } from '../checks.ts';
import { EXIT, print, say } from '../exit.ts';
import { typedFolder } from '../typed-path.ts';
import { all, readHeaders } from './typed-speech.ts';

interface CheckTyped {
  readonly image?: string;
  readonly port?: string;
  readonly path: string;
  readonly header: readonly string[];
  readonly subprotocol: readonly string[];
  readonly connections: string;
  readonly startWithin: string;
  readonly within: string;
  readonly format: string;
}

const EXAMPLES = `
Examples:
  onedrop check -- node server.js
  onedrop check --port 9000 --path /socket --header 'authorization: Bearer x' -- ./gateway
  onedrop check --image registry.example/gateway:2.5.0 --port 8080

A command is given its port as PORT and is, where the machine allows it, process 1 of its own world, as in a container.
Exit codes: 0 pass, 1 fail, 2 unknown (it did not start, or took no connection), 64 usage.`;

/** The `check` command: five seconds with one server and SIGTERM. */
export function checkCommand(): Command {
  const options = [
    new Option('--image <NAME>', 'run this image with Docker instead of a command'),
    new Option(
      '--port <N>',
      'the port that the server takes (default: a free one, told as PORT; 8080 of an image)',
    ),
    new Option('--path <PATH>', 'what the handshake asks for').default('/'),
    new Option('--header <NAME: VALUE>', 'sent with the handshake; may be given again')
      .argParser(all)
      .default([], 'none'),
    new Option('--subprotocol <NAME>', 'asked for in the handshake; may be given again')
      .argParser(all)
      .default([], 'none'),
    new Option('--connections <N>', 'how many are open when SIGTERM is sent').default('20'),
    new Option('--start-within <TIME>', 'how long it may take to listen').default('10s'),
    new Option('--within <TIME>', 'how long is looked after SIGTERM').default('5s'),
    new Option('--format <text|json>', 'what is printed at the end').default('text'),
  ];
  const command = new Command('check')
    .description(
      'Starts one WebSocket server, sends it SIGTERM, and says whether it lets its clients go properly.',
    )
    .argument('[command...]', 'after --: the command that starts the server');
  for (const option of options) command.addOption(option);
  return command.addHelpText('after', EXAMPLES).action(check);
}

async function check(words: string[], typed: CheckTyped): Promise<void> {
  const mistakes: string[] = [];
  if ((typed.image === undefined) === (words.length === 0))
    mistakes.push('check: is given a command after --, or --image; one of them');
  const [startWithin, within] = (['startWithin', 'within'] as const).map((name) => {
    try {
      return parseDuration(typed[name]);
    } catch (error) {
      addMistakes(mistakes, error);
      return 0;
    }
  }) as [number, number];
  const connections = wholeNumber('connections', typed.connections, [1, 1000], mistakes);
  const port = typed.port === undefined ? undefined : wholeNumber('port', typed.port, [1, 65_535], mistakes);
  oneOf('format', typed.format, ['text', 'json'], mistakes);
  if (!typed.path.startsWith('/')) mistakes.push(`--path ${typed.path}: must begin with /`);
  const headers = readHeaders(typed.header, mistakes);
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const clock = new ScaledClock(1);
  await using server =
    typed.image === undefined
      ? await startProcess(words, {
          port: port ?? (await freePort()),
          cwd: typedFolder(),
          env: process.env,
          clock,
        })
      : await startImage(typed.image, { port: port ?? 8080, clock });
  try {
    const checked = await checkServer(server, {
      clock,
      connections,
      startWithin,
      within,
      speech: {
        gateway: { path: typed.path },
        versions: { v1: 'v1', v2: 'v2' },
        clients: { headers, subprotocols: [...typed.subprotocol] },
      },
    });
    const report = judgeCheck(checked, words);
    print(typed.format === 'json' ? JSON.stringify(report, null, 2) : checkText(report));
    process.exitCode = EXIT[report.verdict];
  } catch (error) {
    if (!(error instanceof NotReachedError)) throw error;
    say(`unknown: ${error.message}`);
    process.exitCode = EXIT.unknown;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
