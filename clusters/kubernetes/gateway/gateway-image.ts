import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { HOLDER_IMAGE, SUPERVISOR_IMAGE } from '../../../harness/workload/handoff-workload.ts';
import { GATEWAY_IMAGE } from '../../../harness/workload/workload.ts';
import type { OwnedCommand } from '../lease/owned-command.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const GATEWAY = join(ROOT, 'harness', 'gateway');
const WS = dirname(createRequire(import.meta.url).resolve('ws/package.json'));
/** Of the sources: `.ts` in a checkout, `.js` in the package that is installed. */
const SOURCE = extname(import.meta.filename);
/** What the gateway's sources import from outside their directory. */
const SHARED = `statistics/random${SOURCE}`;

/** What goes into the image, by its path there. Nothing else does: no manifest of onedrop's own, no other package. */
export async function imageFiles(): Promise<ReadonlyMap<string, string>> {
  const gateway = (await readdir(GATEWAY, { recursive: true })).filter(
    (file) => extname(file) === SOURCE && !/\.(test|d)\.ts$|(^|\/)test-/.test(file),
  );
  const ws = (await readdir(WS, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(WS.length + 1));
  return new Map([
    ['Dockerfile', join(import.meta.dirname, 'image', 'Dockerfile')],
    ...gateway.sort().map((file) => [`gateway/${file}`, join(GATEWAY, file)] as const),
    [SHARED, join(ROOT, 'harness', SHARED)],
    ...ws.sort().map((file) => [`node_modules/ws/${file}`, join(WS, file)] as const),
  ]);
}

/** What runs in the built image in place of each image of the embedded clusters; empty: the image's own command. */
export const IMAGE_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  [GATEWAY_IMAGE]: [],
  [HOLDER_IMAGE]: ['node', `gateway/holder/main${SOURCE}`],
  [SUPERVISOR_IMAGE]: ['node', `gateway/handoff/main${SOURCE}`],
};

/** Without it Node would take the gateway's sources for CommonJS. */
const PACKAGE = `${JSON.stringify({ name: 'onedrop-gateway', private: true, type: 'module' }, null, 2)}\n`;

/** The image's name with a tag made of its content: the same sources give the same name, so nothing is built twice. */
export async function gatewayImageName(repository = GATEWAY_IMAGE): Promise<string> {
  const hash = createHash('sha256').update(PACKAGE);
  for (const [name, path] of await imageFiles()) hash.update(name).update(await readFile(path));
  return `${repository}:${hash.digest('hex').slice(0, 12)}`;
}

/** Writes the build context to a fresh directory below `parent`, which disposing removes. */
export async function imageContext(
  parent: string,
): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await mkdtemp(join(parent, 'image-'));
  for (const [name, path] of await imageFiles()) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await cp(path, join(directory, name));
  }
  await writeFile(join(directory, 'package.json'), PACKAGE);
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** Builds the gateway's image into the local Docker engine unless it is there, and returns its name. @throws CommandError. */
export async function buildGatewayImage(
  run: OwnedCommand,
  parent: string,
  options: { signal?: AbortSignal } = {},
): Promise<string> {
  const image = await gatewayImageName();
  const found = await run('docker', ['image', 'ls', '--quiet', image], options);
  if (found.trim() !== '') return image;
  await using context = await imageContext(parent);
  await run('docker', ['build', '--quiet', '--tag', image, context.directory], options);
  return image;
}

/** The command that builds it for both usual architectures and pushes it to a registry. */
export const pushCommand = (image: string, directory: string): [file: string, args: string[]] => [
  'docker',
  ['buildx', 'build', '--platform', 'linux/amd64,linux/arm64', '--tag', image, '--push', directory],
];
