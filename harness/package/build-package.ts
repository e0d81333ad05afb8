import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { configSchema } from '../contracts/config.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ROOMS = ['harness', 'scenarios', 'clusters', 'reports'];

/** What only a checkout needs: tests and what they are made of, benches, the example, what makes the package itself. */
const LEFT_OUT =
  /(\.test|\.fixture)\.(d\.ts|js)$|\/test-[^/]*$|^harness\/(bench|example|package)\/|^vitest\.config\./;

/** Types that `onedrop/config` stands on; nothing else is promised to anybody. */
const TYPES = /^harness\/(contracts\/config|errors)\.d\.ts$/;

/** Files that are read at run time. */
const ASSETS = new Set(['.html', '.css', '.js', '.lua', '.py', '.yaml', '.json', '']);

/** A program that another file starts by its name, in a string. */
const PROGRAM_NAME = /(['"`])((?:[\w.-]+\/|\.\/)*(?:[\w-]+\.)?main)\.ts\1/g;

/** How a checkout is told to call the program; an installed one has no scripts. */
const SCRIPT = /\bnpm run (scenario|report|analyze|compare|sweep|nightly|watch)\b(?: --(?= ))?/g;

/** A file that Node begins with. */
const isProgram = (path: string) => /(^|\/)([\w-]+\.)?main\.js$/.test(path);

/** The first import of every program: what newer releases of Node bring along. */
const SHIM = 'harness/node-22.js';

/** Everything in a folder, by its path there. */
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));

/**
 * Makes the package that is published, as a folder: the sources compiled to JavaScript for Node 22 and newer, in the same
 * places, with the files that they read and a manifest of their own. A checkout needs none of it.
 */
export function buildPackage(to: string): void {
  rmSync(to, { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
  execFileSync(
    tsc,
    [
      '-p',
      ROOT,
      '--noEmit',
      'false',
      '--outDir',
      to,
      '--rootDir',
      ROOT,
      '--target',
      'es2024',
      '--declaration',
    ],
    { stdio: 'inherit', cwd: ROOT },
  );
  for (const path of filesOf(to)) {
    const file = join(to, path);
    if (LEFT_OUT.test(path) || (path.endsWith('.d.ts') && !TYPES.test(path))) rmSync(file);
    else if (path.endsWith('.js')) writeFileSync(file, compiled(path, readFileSync(file, 'utf8')));
  }
  writeFileSync(join(to, SHIM), readFileSync(join(import.meta.dirname, 'node-22.js')));
  for (const path of assets()) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    const text = readFileSync(join(ROOT, path), 'utf8');
    writeFileSync(
      join(to, path),
      path.endsWith('Dockerfile') ? text.replaceAll(PROGRAM_NAME, '$1$2.js$1') : text,
    );
  }
  for (const name of ['LICENSE', 'README.md']) cpSync(join(ROOT, name), join(to, name));
  writeFileSync(join(to, 'onedrop.config.schema.json'), `${JSON.stringify(configSchema(), null, 2)}\n`);
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
}

/** Names of programs as they are now, and the shim first in each. */
function compiled(path: string, text: string): string {
  const named = text.replaceAll(PROGRAM_NAME, '$1$2.js$1').replaceAll(SCRIPT, 'npx onedrop $1');
  if (!isProgram(path)) return named;
  const shim = relative(dirname(path), SHIM);
  return `import '${shim.startsWith('.') ? shim : `./${shim}`}';\n${named}`;
}

/** Files of the checkout beside its sources that are read at run time. */
function assets(): string[] {
  const listed = execFileSync('git', ['ls-files', ...ROOMS], { cwd: ROOT, encoding: 'utf8' }).split('\n');
  return listed.filter(
    (path) => path !== '' && ASSETS.has(extname(path)) && !LEFT_OUT.test(path) && !path.includes('/schemas/'),
  );
}

/** Draws PNGs; its canvas is compiled or fetched when it is installed, which not everybody's machine can. */
const PICTURES = 'chartjs-node-canvas';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
}

function manifest(): object {
  const { name, version, description, license, engines, dependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Manifest;
  const { [PICTURES]: pictures, ...needed } = dependencies;
  return {
    name,
    version,
    description,
    license,
    keywords: ['kubernetes', 'websocket', 'rollout', 'release', 'load balancer'],
    type: 'module',
    bin: { onedrop: './harness/cli/onedrop.js' },
    exports: {
      './config': {
        types: './harness/contracts/config.d.ts',
        default: './harness/contracts/config.js',
      },
      './schema.json': './onedrop.config.schema.json',
      './package.json': './package.json',
    },
    files: [...ROOMS, 'onedrop.config.schema.json'],
    engines,
    dependencies: needed,
    peerDependencies: { [PICTURES]: pictures },
    peerDependenciesMeta: { [PICTURES]: { optional: true } },
  };
}
