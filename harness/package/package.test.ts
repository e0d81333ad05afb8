import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildPackage } from './build-package.ts';

const ROOT = join(import.meta.dirname, '..', '..');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onedrop-package-'));
  buildPackage(join(folder, 'dist'));
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An empty folder into which the packed package is installed, its dependencies being those of this checkout, its optional peer left out. */
function installed(): string {
  const home = mkdtempSync(join(folder, 'home-'));
  const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', home], {
    cwd: join(folder, 'dist'),
    encoding: 'utf8',
  }).trim();
  const modules = join(home, 'node_modules');
  mkdirSync(join(modules, 'onedrop'), { recursive: true });
  execFileSync('tar', ['-xzf', join(home, packed), '--strip-components=1', '-C', join(modules, 'onedrop')]);
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!name.startsWith('.') && name !== 'chartjs-node-canvas')
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  return home;
}

describe('the package that is published', () => {
  test('plays a scenario from an empty folder, writes beside it, and tells how to call it', () => {
    const home = installed();
    const program = join(home, 'node_modules', 'onedrop', 'harness', 'cli', 'onedrop.js');
    const env = { PATH: process.env.PATH };
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [program, ...words], { cwd: home, env, encoding: 'utf8' });
    const played = run(
      'scenario',
      'seventy-thirty',
      '--cluster',
      'sim',
      '--policy',
      'Local',
      '--clients',
      '300',
    );
    expect(played.stderr).not.toMatch(/Error|broke/);
    expect(played.status).toBe(1);
    expect(played.stdout).toMatch(/seventy-thirty .*67\.3 %|onedrop-runs/);
    const [run1 = ''] = readdirSync(join(home, 'onedrop-runs'));
    expect(existsSync(join(home, 'onedrop-runs', run1, 'report.html'))).toBe(true);
    expect(readFileSync(join(home, 'onedrop-runs', run1, 'run.json'), 'utf8')).toContain(
      'npx onedrop scenario',
    );
    const again = run('report', 'last');
    expect(again.status).toBe(1);
    // Its canvas would have to be compiled or fetched: an optional peer.
    expect(again.stderr).toContain('no pictures: npm install chartjs-node-canvas draws them');
    expect(run('scenario', '--help').stdout).toContain('npx onedrop scenario seventy-thirty');
    expect(run('nonsense').stderr).toContain('See npx onedrop scenario --help');
  }, 120_000);

  test('gives a configuration its type and its schema', () => {
    const home = installed();
    const config = `import { defineConfig } from 'onedrop/config';
      export default defineConfig({ gateway: { command: ['x'], port: 1, readyPath: '/' }, version: { header: 'x' } });`;
    writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(home, 'good.ts'), config);
    writeFileSync(join(home, 'bad.ts'), config.replace('port: 1', "port: 'one'"));
    const check = (file: string) =>
      spawnSync(
        join(ROOT, 'node_modules', '.bin', 'tsc'),
        [...['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck'], file],
        { cwd: home, encoding: 'utf8' },
      );
    expect(check('good.ts').stdout).toBe('');
    expect(check('bad.ts').stdout).toMatch(/not assignable/);
    const loaded = spawnSync(
      process.execPath,
      ['-e', "import('./good.ts').then((m) => console.log(m.default.gateway.port))"],
      { cwd: home, encoding: 'utf8' },
    );
    expect(loaded.stdout.trim()).toBe('1');
    expect(
      JSON.parse(readFileSync(join(home, 'node_modules', 'onedrop', 'onedrop.config.schema.json'), 'utf8')),
    ).toMatchObject({ type: 'object' });
  }, 120_000);

  test('holds no test, bench or source, and every program that another one starts', () => {
    const files = readdirSync(join(folder, 'dist'), { recursive: true }) as string[];
    expect(files.filter((file) => /\.test\.|\.fixture\.|(^|\/)test-|(?<!\.d)\.ts$/.test(file))).toEqual([]);
    const sources = files.filter(
      (file) => file.endsWith('.js') && file !== join('harness', 'cli', 'onedrop.js'),
    );
    for (const file of sources) {
      const text = readFileSync(join(folder, 'dist', file), 'utf8');
      for (const [, name = ''] of text.matchAll(/'\.\/((?:[\w-]+\.)?main\.\w+)'/g))
        expect(existsSync(join(folder, 'dist', file, '..', name)), `${file} starts ${name}`).toBe(true);
    }
    const {
      private: isPrivate,
      engines,
      bin,
    } = JSON.parse(readFileSync(join(folder, 'dist', 'package.json'), 'utf8')) as Record<string, unknown>;
    expect({ isPrivate, engines, bin }).toEqual({
      isPrivate: undefined,
      engines: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>)
        .engines,
      bin: { onedrop: './harness/cli/onedrop.js' },
    });
  });
});

test('what Node 22 lacks of disposal is brought along, and does as the real one', async () => {
  const real = globalThis.AsyncDisposableStack;
  onTestFinished(() => {
    globalThis.AsyncDisposableStack = real;
  });
  Object.assign(globalThis, { AsyncDisposableStack: undefined });
  // @ts-expect-error It has no types, and nothing but an effect.
  await import('./node-22.js');
  for (const Stack of [real, globalThis.AsyncDisposableStack]) {
    const ended: string[] = [];
    const resource = (name: string) => ({ [Symbol.asyncDispose]: async () => void ended.push(name) });
    await using outer = new Stack();
    {
      await using stack = new Stack();
      stack.use(resource('a'));
      stack.use({ [Symbol.dispose]: () => void ended.push('b') });
      stack.defer(() => void ended.push('c'));
      stack.adopt('d', (value) => void ended.push(value));
      stack.use(undefined);
      outer.use(stack.move());
    }
    expect(ended).toEqual([]);
    await outer.disposeAsync();
    expect(ended).toEqual(['d', 'c', 'b', 'a']);
    const failing = new Stack();
    failing.defer(() => void ended.push('e'));
    failing.defer(() => Promise.reject(new Error('no')));
    await expect(failing.disposeAsync()).rejects.toThrow('no');
    expect(ended.at(-1)).toBe('e');
  }
});

describe('the GitHub Action', () => {
  function action(more: Record<string, string>, code = 0) {
    const home = mkdtempSync(join(tmpdir(), 'onedrop-action-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    writeFileSync(
      join(home, 'npx'),
      `#!/usr/bin/env bash\nprintf '%s\\n' "$@" > ${home}/asked\nfor ((i=1; i<$#; i++)); do if [ "\${!i}" = --out ]; then j=$((i+1)); mkdir -p "\${!j}"; echo done > "\${!j}/summary.md"; fi; done\nexit ${code}\n`,
    );
    chmodSync(join(home, 'npx'), 0o755);
    const { status } = spawnSync('bash', [join(import.meta.dirname, 'action.sh')], {
      encoding: 'utf8',
      env: {
        PATH: `${home}:${process.env.PATH}`,
        RUNNER_TEMP: home,
        GITHUB_OUTPUT: join(home, 'output'),
        GITHUB_STEP_SUMMARY: join(home, 'summary'),
        ONEDROP_COMMAND: 'watch',
        ONEDROP_PACKAGE: 'onedrop',
        ONEDROP_FAIL_ON: 'unknown',
        ONEDROP_ARGUMENTS: '',
        ...more,
      },
    });
    const read = (name: string) =>
      existsSync(join(home, name)) ? readFileSync(join(home, name), 'utf8') : '';
    return {
      status,
      asked: read('asked').trim().split('\n'),
      output: read('output'),
      summary: read('summary'),
    };
  }

  test('hands over one argument a line, whatever is in it, and tells summary and verdict', () => {
    const { status, asked, output, summary } = action({
      ONEDROP_ARGUMENTS: "wss://x/ws\n--header\nauthorization: $(echo 'a b')\n\n--\nhelm\nupgrade\n",
    });
    expect(asked.slice(0, 4)).toEqual(['--yes', 'onedrop', 'watch', '--out']);
    expect(asked.slice(5)).toEqual([
      'wss://x/ws',
      '--header',
      "authorization: $(echo 'a b')",
      '--',
      'helm',
      'upgrade',
    ]);
    expect({ status, summary }).toEqual({ status: 0, summary: 'done\n' });
    expect(output).toMatch(/^verdict=pass\nexit-code=0\nreport=\/.+\n$/);
  });

  test.each([
    [1, 'unknown', 1],
    [2, 'unknown', 2],
    [2, 'fail', 0],
    [1, 'fail', 1],
    [1, 'never', 0],
    [70, 'never', 70],
  ])('ends after %i, asked to fail on %s, with %i', (code, on, expected) => {
    expect(action({ ONEDROP_FAIL_ON: on }, code).status).toBe(expected);
  });

  test('runs doctor without a folder for reports, and nothing else', () => {
    expect(action({ ONEDROP_COMMAND: 'doctor' }).asked).toEqual(['--yes', 'onedrop', 'doctor']);
    expect(action({ ONEDROP_COMMAND: 'rm' }).status).toBe(64);
  });
});
