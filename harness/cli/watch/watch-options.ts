import { Command, Option } from 'commander';
import type { AxisName, AxisTexts } from '../../contracts/axes.ts';
import type { Provider } from '../../contracts/cluster.ts';
import { axisOptions, providerOptions } from '../options.ts';
import { all } from './typed-speech.ts';

/** What was typed after `onedrop watch`, not yet checked. */
export type WatchTyped = AxisTexts & {
  readonly address?: string;
  readonly header: readonly string[];
  readonly subprotocol: readonly string[];
  readonly versionFrom?: string;
  readonly podFrom?: string;
  readonly config?: string | boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly insecure?: true;
  readonly for?: string;
  readonly releases?: string;
  readonly calm?: string;
  readonly settle: string;
  readonly patience?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly service?: string;
  readonly listen?: string;
  readonly gate?: true;
  readonly out?: string;
  readonly format: string;
  readonly seed: string;
  readonly predict: boolean;
};

const CLIENTS: readonly AxisName[] = ['clients', 'backoff', 'backoffModel', 'heartbeat', 'dnsTtl'];

/** What decides a prediction; what the observer finds stands for what is not typed. */
const PREDICTED: readonly AxisName[] = [
  ...(['policy', 'balancer', 'proxy', 'kubernetes', 'nodes', 'pods'] as const),
  ...(['maxSurge', 'maxUnavailable', 'grace', 'preStop', 'drain', 'drainOver'] as const),
];

const many = (option: Option) => option.argParser(all).default([], 'none');

const GROUPS: Readonly<Record<string, readonly Option[]>> = {
  'The gateway:': [
    new Option(
      '--address <IP,...>',
      'connect to these addresses, IPv4 or IPv6, whatever the name stands for',
    ),
    many(new Option('--header <NAME: VALUE>', 'sent with the handshake, never logged; may be given again')),
    many(new Option('--subprotocol <NAME>', 'asked for in the handshake; may be given again')),
    new Option(
      '--version-from <WHERE>',
      'where the gateway says its version: header:NAME or message:/JSON/POINTER',
    ),
    new Option('--pod-from <WHERE>', 'where it says its pod, in the same words'),
    new Option('--config <FILE>', 'take all of that from there (default: onedrop.config.ts in this folder)'),
    new Option('--no-config', 'heed no onedrop.config.ts'),
    new Option('--ca <FILE>', 'authorities to trust, PEM'),
    new Option('--cert <FILE>', "the clients' certificate, PEM"),
    new Option('--key <FILE>', 'its key, PEM'),
    new Option('--server-name <NAME>', "the name to ask for and to find in the server's certificate"),
    new Option('--insecure', 'take whatever certificate the server has'),
  ],
  'When it is a release (without a command):': [
    new Option(
      '--for <TIME>',
      'how long to watch, such as 30m; all of it where nobody sees or announces releases',
    ),
    new Option('--gate', 'from POST /begin to POST /end at --listen'),
    new Option(
      '--releases <N>',
      'end after so many (default: 1 seen on the cluster; at a gate, until Ctrl-C)',
    ),
  ],
  'How long:': [
    new Option(
      '--calm <TIME>',
      'after all are connected, before a release may begin (default: one heartbeat)',
    ),
    new Option(
      '--settle <TIME>',
      'after a release, how long losses may still show beside two heartbeats',
    ).default('30s'),
    new Option(
      '--patience <TIME>',
      'how long everybody may take to return (default: three back-offs and a minute)',
    ),
  ],
  'The cluster behind it, read only (seen when one of these is typed):': [
    new Option('--service <NAME>', 'the Service of the gateway (default: the only load balancer)'),
    new Option('--namespace <NAME>', 'its namespace (default: default)'),
  ],
  'The run:': [
    new Option(
      '--listen <HOST:PORT>',
      'serve /metrics, /verdict and /gate there; a port alone is on loopback',
    ),
    new Option('--out <DIR>', 'where the run is written (default: reports/runs/<id>)'),
    new Option('--format <text|json>', 'what is printed at the end').default('text'),
    new Option('--seed <N>', 'seed of all randomness').default('1'),
    new Option('--no-predict', 'do not play the prediction'),
  ],
};

const EXAMPLES = `
Examples:
  onedrop watch wss://gateway.staging.example/ws --clients 500 -- helm upgrade gateway ./chart --wait
  onedrop watch wss://gateway.staging.example/ws --context staging --namespace shop --service gateway
  onedrop watch ws://10.0.0.7:8080/ --for 30m
  onedrop watch wss://gateway.example/ws --listen 127.0.0.1:9400 --gate --for 2h

The command is run without a shell, once everybody is connected and calm. What it writes is passed on to standard error
and kept in command.log. Exit codes: 0 pass, 1 fail, 2 unknown (also: the release itself failed, none was seen, the
clients could not connect), 64 usage, 70 the harness broke.`;

/** The `watch` command; `act` gets what was typed. */
export function watchCommand(
  providers: readonly Provider[],
  act: (url: string, command: string[], options: WatchTyped) => Promise<void>,
): Command {
  const command = new Command('watch')
    .description(
      'Holds clients before your gateway while you release, and says what the release did to them.',
    )
    .argument('<url>', 'ws:// or wss:// url of the gateway')
    .argument('[command...]', 'after --: the command that releases');
  const own = providerOptions(providers).filter((option) =>
    ['kubeconfig', 'context'].includes(option.name()),
  );
  const options = [
    ...axisOptions(CLIENTS).map((option) => option.helpGroup('Clients:')),
    ...Object.entries(GROUPS).flatMap(([heading, group]) => [
      ...(heading.startsWith('The cluster') ? own.map((option) => option.helpGroup(heading)) : []),
      ...group.map((option) => option.helpGroup(heading)),
    ]),
    ...axisOptions(PREDICTED).map((option) =>
      option.helpGroup('The prediction (what is not typed is found):'),
    ),
  ];
  for (const option of options) command.addOption(option);
  return command.addHelpText('after', EXAMPLES).action(act);
}
