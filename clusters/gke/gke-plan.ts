import type { Axes } from '../../harness/contracts/axes.ts';
import { GATEWAY_IMAGE } from '../../harness/workload/workload.ts';
import { pasteable } from '../command.ts';
import { pushCommand } from '../kubernetes/gateway/gateway-image.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import { loginWords, repositoryOf } from './gateway-repository.ts';
import { GcloudCommands } from './gcloud-commands.ts';
import { type GkeOptions, type Shape, shapeOf } from './gke-options.ts';
import { labelsFor } from './labels.ts';
import { LEFT_KINDS, type LeftKind, type Location } from './left-kinds.ts';
import { PREFIX } from './leftovers.ts';

/** One command of a plan, with what is to be said about it. */
export interface Planned {
  readonly file: string;
  readonly words: readonly string[];
  readonly why?: string;
}

/** What only a run itself knows. */
const RUN = 'run';
const SERVICE_UID = 'a0123456789abcdef0123456789abcde';
const LEFT_NAME = 'what-was-listed';

/** The shapes that cells need, each once. */
export function shapesOf(cells: readonly Axes[], options: GkeOptions): Shape[] {
  const shapes = cells.map((axes) => shapeOf(axes, options));
  return [...new Map(shapes.map((shape) => [JSON.stringify(shape), shape])).values()];
}

/** Every command that a run over these cells would give, in order; the very functions that the run itself uses. */
export function plannedCommands(
  cells: readonly Axes[],
  options: GkeOptions,
  run: { readonly owner: string; readonly expires: Date },
): Planned[] {
  const commands = new GcloudCommands(options);
  const labels = labelsFor(nameFor('gke', RUN), run.owner, run.expires);
  const gcloud = (words: readonly string[], why?: string): Planned => ({
    file: 'gcloud',
    words,
    ...(why === undefined ? {} : { why }),
  });
  const name = nameFor('gke', RUN);
  const repository = repositoryOf(name, options.project ?? 'PROJECT', options);
  const [docker, build] = pushCommand(`${repository}:CONTENT`, GATEWAY_IMAGE);
  const pushes = options['gateway-image'] === undefined;
  const isPool = ({ balancer }: Axes) => balancer === 'target-pool';
  const pools = cells.some(isPool);
  const backendServices = !cells.every(isPool);
  return [
    gcloud(commands.accounts(), 'Is anybody logged in, is there a project, an API and enough quota?'),
    gcloud(commands.currentProject()),
    gcloud(commands.enabledServices()),
    gcloud(commands.region()),
    ...(pushes
      ? [
          gcloud(
            commands.createRepository(name, labels),
            "The gateway's image, where the nodes can pull it.",
          ),
          gcloud(commands.accessToken(), 'The password of the login that follows.'),
          { file: 'docker', words: loginWords(repository) },
          { file: docker, words: build },
        ]
      : []),
    ...shapesOf(cells, options).flatMap((shape) => [
      gcloud(commands.createCluster(name, shape, labels), 'The cluster; 5 to 8 minutes.'),
      gcloud(commands.getCredentials(name), 'KUBECONFIG names a file of the run, not yours.'),
      ...(options['clients-from'] === 'vm'
        ? [
            gcloud(
              commands.createVm(name, shape.zones[0] ?? '', labels, options['time-to-live']),
              'Where the clients dial from, and the way there.',
            ),
            gcloud(commands.socks(name, shape.zones[0] ?? '', 1080)),
          ]
        : []),
      ...(pools
        ? [
            gcloud(
              commands.targetPoolHealth(SERVICE_UID),
              'Every 10 s while a cell runs: what the balancer thinks.',
            ),
          ]
        : []),
      ...(backendServices
        ? [gcloud(commands.backendServiceHealth('k8s2-SERVICE'), 'Every 10 s while a cell runs.')]
        : []),
      ...(options['clients-from'] === 'vm'
        ? [
            gcloud(
              commands.deleteLeft({ group: 'instances', name, location: { zone: shape.zones[0] ?? '' } }),
            ),
          ]
        : []),
      gcloud(commands.runningOperations(name), 'The end: the cluster once nothing works on it any more ...'),
      gcloud(commands.deleteCluster(name)),
    ]),
    ...LEFT_KINDS.flatMap((kind, index) => [
      gcloud(
        commands.listLeft(kind),
        index === 0 ? `... what GKE leaves behind of ${PREFIX}*, each that is found ...` : undefined,
      ),
      gcloud(commands.deleteLeft({ group: kind.group, name: LEFT_NAME, location: placeOf(kind, options) })),
    ]),
    ...(pushes ? [gcloud(commands.deleteRepository(name), '... and the image.')] : []),
  ];
}

/** Where a kind of resource usually is; the run itself reads it from what it lists. */
const placeOf = ({ place }: LeftKind, { region }: GkeOptions): Location =>
  place === 'region' ? { region } : place === 'zone' ? { zone: `${region}-b` } : { global: true };

/** A plan as lines for a person, comments before commands. */
export const planLines = (plan: readonly Planned[]): string[] =>
  plan.flatMap(({ file, words, why }) => [
    ...(why === undefined ? [] : [`# ${why}`]),
    pasteable(file, words),
  ]);
