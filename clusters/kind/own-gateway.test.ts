import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { command } from '../command.ts';

/** A node image that is in the engine, such as `kindest/node:v1.20.2`. */
const IMAGE = process.env.ONEDROP_KIND_IMAGE;
if (IMAGE === undefined)
  process.stdout.write("a user's own image on kind: skipped, ONEDROP_KIND_IMAGE names no node image\n");

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = join(ROOT, 'harness', 'example');
// Made only where a test is played: nothing runs after tests that are all skipped.
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'onedrop-own-image-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const DOCKERFILE = `FROM node:24-bookworm-slim
ARG BUILD
ENV BUILD=$BUILD
WORKDIR /gateway
COPY . .
USER 1000
STOPSIGNAL SIGUSR2
CMD ["node", "gateway.main.ts"]
`;

/** The example gateway as a user would put it into an image: two builds that exist in the local engine only. */
async function build(): Promise<{ v1: string; v2: string }> {
  const context = join(scratch, 'image');
  cpSync(join(EXAMPLE, 'gateway.main.ts'), join(context, 'gateway.main.ts'));
  cpSync(join(ROOT, 'node_modules', 'ws'), join(context, 'node_modules', 'ws'), { recursive: true });
  writeFileSync(join(context, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(context, 'Dockerfile'), DOCKERFILE);
  const image = async (version: string) => {
    const name = `onedrop-example:${version}`;
    await command('docker', ['build', '--quiet', '--build-arg', `BUILD=${version}`, '--tag', name, context]);
    return name;
  };
  return { v1: await image('2.4.0'), v2: await image('2.5.0') };
}

test.skipIf(IMAGE === undefined)(
  "a user's own image that only the local engine has is played on kind, and every drop of its drain explained",
  async () => {
    const config = join(scratch, 'onedrop.config.ts');
    writeFileSync(
      config,
      `import example from ${JSON.stringify(join(EXAMPLE, 'onedrop.config.ts'))};
export default { ...example, gateway: { ...example.gateway, image: ${JSON.stringify(await build())} } };
`,
    );
    const words = ['selector-flip', '--config', config, '--cluster', 'kind', '--node-image', IMAGE ?? ''];
    words.push(
      '--nodes',
      '1',
      '--clients',
      '50',
      '--heartbeat',
      '5s',
      '--backoff',
      '5s',
      '--drain-over',
      '10s',
    );
    const out = join(scratch, 'run');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, 'harness', 'cli', 'main.ts'), 'scenario', ...words, '--out', out, '--format', 'json'],
      { maxBuffer: 1 << 26 },
      // 1: the cell failed its criteria, for its drain lets more than half of the clients go within ten seconds.
    ).catch((failure: Error & { code: number; stdout: string }) =>
      failure.code === 1 ? failure : Promise.reject(failure),
    );
    const [cell] = (JSON.parse(stdout) as { cells: CellDocument[] }).cells;
    expect(cell).toMatchObject({
      clients: 50,
      dropped: 50,
      droppedTwice: 0,
      landedOnOld: 0,
      collateral: 0,
      unattributed: 0,
      controlDropped: 0,
    });
  },
  600_000,
);
