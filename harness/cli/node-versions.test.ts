import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FIRST = join(import.meta.dirname, 'onedrop.js');
const ROOT = join(import.meta.dirname, '..', '..');

test.each(['8.17.0', '18.20.0', '20.20.2', '22.12.0', '23.11.1'])(
  'on Node %s the first file says what is needed, and nothing of the others is read',
  (version) => {
    // The file as it is, in a module, with the version that it asks for in another's place.
    const program = `Object.defineProperty(process.versions, 'node', { value: '${version}' });
      import(${JSON.stringify(FIRST)})`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', program],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    expect(stderr).toMatch(
      new RegExp(`^error: onedrop runs on Node.js 24, and this is ${version}; npm ci .*\\n$`),
    );
  },
);

/** The nodes outside this project's own packages, which may be older. */
const elsewhere = (process.env.PATH ?? '')
  .split(':')
  .filter((folder) => !folder.includes('node_modules'))
  .map((folder) => {
    const { stdout } = spawnSync(join(folder, 'node'), ['--version'], { encoding: 'utf8' });
    return { node: join(folder, 'node'), major: Number(/^v(\d+)/.exec(stdout ?? '')?.[1]) };
  })
  .filter(({ major }) => major < 24);

test.skipIf(elsewhere.length === 0)(
  'the older Node of this machine reads the first file, and says so',
  () => {
    const { status, stderr } = spawnSync(elsewhere[0]?.node ?? '', [FIRST, 'scenario', '--list'], {
      encoding: 'utf8',
    });
    expect({ status, lines: stderr.trimEnd().split('\n').length }).toEqual({ status: 64, lines: 1 });
    expect(stderr).toMatch(/onedrop runs on Node.js 24, and this is \d+/);
  },
);

interface Locked {
  readonly engines?: { readonly node?: string };
}

/** Whether a version is in a range of npm's, as far as engines use them. */
function admits(range: string, version: string): boolean {
  const numbers = (text: string) => text.split('.').map(Number);
  const compare = (one: readonly number[], other: readonly number[]) =>
    [0, 1, 2]
      .map((place) => (one[place] ?? 0) - (other[place] ?? 0))
      .find((difference) => difference !== 0) ?? 0;
  const mine = numbers(version);
  const holds = (comparator: string) => {
    const [, sign = '', text = ''] = /^(>=|<=|>|<|=|\^|~)?v?([\d.x*]+)/.exec(comparator) ?? [];
    const parts = text
      .split('.')
      .filter((part) => /^\d+$/.test(part))
      .map(Number);
    const difference = compare(mine, parts);
    const same = (places: number) => parts.slice(0, places).every((part, place) => mine[place] === part);
    if (text === '*') return true;
    if (text === '') throw new Error(`engines "${range}" cannot be read`);
    if (sign === '^') return difference >= 0 && same(1);
    if (sign === '~') return difference >= 0 && same(2);
    if (sign === '>=') return difference >= 0;
    if (sign === '<=') return difference <= 0;
    if (sign === '>') return difference > 0;
    if (sign === '<') return difference < 0;
    return same(parts.length);
  };
  return range.split('||').some((part) =>
    part
      .trim()
      .replace(/(>=|<=|>|<|\^|~)\s+/g, '$1')
      .split(/\s+/)
      .every((comparator) => comparator === '' || holds(comparator)),
  );
}

test('a range of engines is read as npm reads it', () => {
  expect(admits('^20.19.0 || ^22.12.0 || >=24.0.0', '22.12.0')).toBe(true);
  expect(admits('^20.19.0 || ^22.13.0 || >=24.0.0', '22.12.0')).toBe(false);
  expect(admits('^20.19.0 || >=22.12.0', '23.0.0')).toBe(true);
  expect(admits('^20.19.0 || ^22.12.0', '24.0.0')).toBe(false);
  expect(admits('>= 18 < 23', '22.12.0')).toBe(true);
  expect(admits('>= 18 < 23', '24.0.0')).toBe(false);
  expect(admits('20 || 22.x || *', '24.1.0')).toBe(true);
});

test('every package runs on the least Nodes that package.json names, and on the one that comes along', () => {
  const read = (file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as unknown;
  const { engines } = read('package.json') as { engines: { node: string } };
  const { packages } = read('package-lock.json') as { packages: Record<string, Locked> };
  expect(packages['']?.engines).toEqual(engines);
  const least = [...engines.node.matchAll(/\d+\.\d+\.\d+/g)].map(([version]) => version);
  expect(least.length).toBeGreaterThan(0);
  const refusing = [...least, process.versions.node].flatMap((version) =>
    Object.entries(packages)
      .filter(([, { engines: { node = '*' } = {} }]) => !admits(node, version))
      .map(([name, { engines: wanted }]) => `${name} wants ${wanted?.node}, not ${version}`),
  );
  expect(refusing).toEqual([]);
});
