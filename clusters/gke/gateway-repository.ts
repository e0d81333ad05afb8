import { join } from 'node:path';
import { gatewayImageName, imageContext, pushCommand } from '../kubernetes/gateway/gateway-image.ts';
import { leaseFiles } from '../kubernetes/lease/lease.ts';
import type { OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import type { GcloudCommands, Words } from './gcloud-commands.ts';
import type { GkeOptions } from './gke-options.ts';

/** The host and path of a run's own repository. */
export const repositoryOf = (name: string, project: string, { region }: GkeOptions) =>
  `${region}-docker.pkg.dev/${project}/${name}/gateway`;

/** Makes a repository of the run's own; docker is logged in with a configuration of the run's own as well. */
export async function pushImage(
  run: OwnedCommand,
  commands: GcloudCommands,
  to: {
    name: string;
    options: GkeOptions;
    project: string;
    labels: Readonly<Record<string, string>>;
    isThere: boolean;
  },
): Promise<string> {
  const { name, options, project, labels, isThere } = to;
  const repository = repositoryOf(name, project, options);
  if (!isThere) await run('gcloud', commands.createRepository(name, labels));
  const env = { ...process.env, DOCKER_CONFIG: join(leaseFiles(name), 'docker') };
  const token = await run('gcloud', commands.accessToken());
  await run('docker', loginWords(repository), { input: token.trim(), env });
  const image = await gatewayImageName(repository);
  await using context = await imageContext(leaseFiles(name));
  await run(...pushCommand(image, context.directory), { env });
  return image;
}

/** Docker's login to a registry, with the token on standard input. */
export const loginWords = (repository: string): Words => [
  ...['login', '--username', 'oauth2accesstoken', '--password-stdin'],
  `https://${repository.split('/')[0]}`,
];
