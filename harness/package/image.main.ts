/** Builds the harness's image with the local Docker engine: `node harness/package/image.main.ts [NAME]`, and prints its name. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage } from './build-package.ts';

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-image-'));
try {
  const [folder, context] = [join(scratch, 'package'), join(scratch, 'context')];
  buildPackage(folder);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const name = process.argv[2] ?? `onedrop:${version}`;
  mkdirSync(context);
  const run = (program: string, words: readonly string[], cwd: string) =>
    execFileSync(program, words, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' }).trim();
  const packed = run('npm', ['pack', '--silent', '--pack-destination', scratch], folder);
  writeFileSync(join(context, 'package.json'), '{ "private": true }\n');
  run(
    'npm',
    ['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', join(scratch, packed)],
    context,
  );
  cpSync(join(import.meta.dirname, 'image', 'Dockerfile'), join(context, 'Dockerfile'));
  run('docker', ['build', '--quiet', '--tag', name, context], context);
  process.stdout.write(`${name}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
