import { tmpdir } from 'node:os';
import { command } from '../../command.ts';
import { buildGatewayImage, gatewayImageName, imageContext, pushCommand } from './gateway-image.ts';

/**
 * Builds the gateway's image into the local Docker engine and prints its name; with a repository as argument,
 * builds it for amd64 and arm64, pushes it there, and prints that name.
 *   node clusters/kubernetes/gateway/image.main.ts [REPOSITORY]
 */
const [repository] = process.argv.slice(2);
if (repository === undefined) {
  process.stdout.write(`${await buildGatewayImage(command, tmpdir())}\n`);
} else {
  const image = await gatewayImageName(repository);
  await using context = await imageContext(tmpdir());
  await command(...pushCommand(image, context.directory));
  process.stdout.write(`${image}\n`);
}
