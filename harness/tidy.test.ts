import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const sources = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && file !== 'harness/tidy.test.ts');

interface Habit {
  readonly what: string;
  readonly pattern: RegExp;
  readonly instead: string;
  readonly applies: (file: string) => boolean;
}

const isTest = (file: string) => /\.test\.ts$|\/test-|\.fixture\.ts$|\/bench\//.test(file);
const inside =
  (...folders: string[]) =>
  (file: string) =>
    folders.some((folder) => file.startsWith(folder));
const shipped = (file: string) => !isTest(file);

/** Programs of their own, which have an environment and an exit code like the CLI. */
const PROGRAMS = /^(harness\/cli\/.*|.*\.main\.ts|.*\/main\.ts)$/;

const HABITS: readonly Habit[] = [
  {
    what: 'wall time',
    pattern: /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(/,
    instead: 'the Clock that is passed in (harness/time/clock.ts)',
    applies: (file) => shipped(file) && !/(clock|wall-time)\.ts$/.test(file) && !PROGRAMS.test(file),
  },
  {
    what: 'unseeded randomness',
    pattern: /\bMath\.random\(|\brandomUUID\(|\brandomBytes\(/,
    instead: 'the Random that is passed in, forked by a label (harness/statistics/random.ts)',
    applies: (file) => shipped(file) && !PROGRAMS.test(file),
  },
  {
    what: 'the process',
    pattern: /(?<![.\w])process\.(env|exit|exitCode|argv|stdout|stderr|on)\b/,
    instead: 'a parameter, set by a program (harness/cli, main.ts)',
    applies: (file) =>
      shipped(file) && !PROGRAMS.test(file) && inside('harness/', 'scenarios/', 'reports/')(file),
  },
  {
    what: 'a cluster by name',
    pattern: /\b(netns|gke|kubeconfig|GKE)\b/,
    instead: 'a Capability in `needs`',
    applies: (file) => inside('scenarios/')(file) && shipped(file),
  },
  {
    what: 'a Kubernetes client at run time',
    pattern: /^import (?!type)[^\n]*@kubernetes\/client-node/m,
    instead: '`import type`; only clusters/kubernetes talks to an API server',
    applies: (file) => !inside('clusters/kubernetes/')(file),
  },
  {
    what: 'a shell',
    pattern: /shell: true|\bexecSync\(|\bexec\(`/,
    instead: 'an argument array (clusters/command.ts)',
    applies: shipped,
  },
];

test.each(HABITS)('no source file uses $what where it must not', ({ what, pattern, instead, applies }) => {
  const offenders = sources.filter(applies).flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) && !/^\s*(\*|\/\/|\/\*\*)/.test(line)
          ? [`${file}:${index + 1}: ${line.trim()}`]
          : [],
      ),
  );
  expect(offenders, `${what}: use ${instead}`).toEqual([]);
});

test('every model of the control plane is free of clocks, promises and timers', () => {
  const models = sources.filter((file) =>
    /^clusters\/control-plane\/(controllers\/(deployment|deployment-status|replica-set|scheduler|endpoint-slice|autoscaler)|kubelet\/kubelet|kube-proxy\/(?!proxy-driver)[a-z0-9.-]+|balancer\/(load-balancer|maglev))\.ts$/.test(
      file,
    ),
  );
  expect(models.length).toBeGreaterThan(0);
  for (const file of models)
    expect(readFileSync(join(ROOT, file), 'utf8'), file).not.toMatch(/\bPromise\b|\basync\b|\bClock\b/);
});

/**
 * The floors, from the top down: a room imports from floors below its own, or from itself. The longest name that
 * fits a file is its room; README's map says what lives in each.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['harness/cli', 'harness/bench', 'harness/example', 'harness/package'],
  ['reports'],
  ['reports/compare'],
  ['reports/sections'],
  ['reports/charts', 'reports/result'],
  ['reports/page'],
  ['reports/words'],
  ['reports/stored'],
  ['clusters/index.ts'],
  ['scenarios', 'clusters/kind', 'clusters/gke', 'clusters/kubeconfig'],
  ['clusters/sim', 'clusters/netns', 'clusters/kubernetes'],
  ['clusters/control-plane'],
  ['harness/watch', 'harness/check'],
  ['harness/run'],
  ['harness/fleet', 'harness/workload'],
  ['harness/analyses', 'harness/gateway', 'harness/config'],
  ['harness/log'],
  ['harness/contracts'],
  ['harness/platforms'],
  ['clusters/command.ts'],
  ['harness/time', 'harness/statistics'],
  ['harness/errors.ts'],
];

/** A file's room, and its floor, counted from the ground. */
function roomOf(file: string): { readonly room: string; readonly floor: number } {
  const rooms = FLOORS.flatMap((floor, index) =>
    floor.map((room) => ({ room, floor: FLOORS.length - index })),
  );
  const fitting = rooms.filter(({ room }) => file === room || file.startsWith(`${room}/`));
  return fitting.toSorted((one, other) => other.room.length - one.room.length)[0] ?? { room: '', floor: 0 };
}

/** What a source file imports of the project's own, types as well. */
const importsOf = (file: string, text: string): string[] =>
  [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map(([, path = '']) =>
    normalize(join(dirname(file), path)),
  );

/** Every import that breaks a rule of the rooms, in words that say what to do; `house` is file -> what it imports. */
function faults(house: ReadonlyMap<string, readonly string[]>): string[] {
  const upwards = [...house].flatMap(([file, imports]) =>
    imports.flatMap((imported) => {
      const [mine, other] = [roomOf(file), roomOf(imported)];
      if (mine.room === '')
        return [`${file} lies in no room: give it a folder that FLOORS in harness/tidy.test.ts names`];
      return mine.room === other.room || other.floor < mine.floor
        ? []
        : [
            `${file} (${mine.room}) imports ${imported} (${other.room}), which is not below it: what both need is a contract; move it to harness/contracts or another floor below both, or let a room above hand it in`,
          ];
    }),
  );
  return [...upwards, ...circles(house)];
}

function circles(house: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const left = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    const begun = path.indexOf(file);
    if (begun >= 0)
      found.push(
        `${[...path.slice(begun), file].join(' -> ')} is a circle: move what they share into a file that imports none of them`,
      );
    if (begun >= 0 || left.has(file)) return;
    for (const imported of house.get(file) ?? []) visit(imported, [...path, file]);
    left.add(file);
  };
  for (const file of house.keys()) visit(file, []);
  return found;
}

describe('rooms', () => {
  const text = (file: string) => readFileSync(join(ROOT, file), 'utf8');
  const rooms = sources.filter((file) => file.includes('/') && (shipped(file) || file.includes('/bench/')));
  const house = new Map(rooms.map((file) => [file, importsOf(file, text(file))]));

  test('no import runs back up, and no files import each other in a circle', () => {
    expect(faults(house)).toEqual([]);
  });

  test('an import upwards is named with the rooms of both and the way out', () => {
    const planted = new Map(house).set('harness/time/clock.ts', ['harness/fleet/client.ts']);
    expect(faults(planted)).toContainEqual(
      expect.stringMatching(
        /^harness\/time\/clock\.ts \(harness\/time\) imports harness\/fleet\/client\.ts \(harness\/fleet\), .*harness\/contracts/,
      ),
    );
  });

  test('a circle is named file by file, with the way out', () => {
    const planted = new Map(house)
      .set('clusters/sim/network/node.ts', ['clusters/sim/network/ipv4.ts'])
      .set('clusters/sim/network/ipv4.ts', ['clusters/sim/network/node.ts']);
    expect(faults(planted)).toContainEqual(
      expect.stringMatching(/network\/(node|ipv4)\.ts -> .*is a circle: move what they share/),
    );
  });

  test('a file outside all rooms is told where to go', () => {
    const planted = new Map(house).set('clusters/misc/thing.ts', ['harness/errors.ts']);
    expect(faults(planted)).toEqual([expect.stringContaining('clusters/misc/thing.ts lies in no room')]);
  });

  test('no room is a heap and no file a book: 20 source files a folder, 400 lines a file, 100 the median', () => {
    const folders = Map.groupBy(
      rooms.filter((file) => !/^(scenarios|reports\/sections)\//.test(file)),
      dirname,
    );
    const heaps = [...folders].filter(([, files]) => files.length > 20).map(([folder]) => folder);
    expect(heaps, 'folders of more than 20 source files: make a room for one of their subjects').toEqual([]);
    const lengths = rooms.map((file) => ({ file, lines: text(file).split('\n').length - 1 }));
    expect(
      lengths.filter(({ lines }) => lines > 400),
      'files of more than 400 lines: split them by subject',
    ).toEqual([]);
    const sorted = lengths.map(({ lines }) => lines).toSorted((one, other) => one - other);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(100);
  });
});

test('every link between the project’s own documents leads somewhere', () => {
  const documents = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean);
  const broken = documents.flatMap((document) =>
    [...readFileSync(join(ROOT, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(ROOT, dirname(document), path)))
      .map((path) => `${document} -> ${path}`),
  );
  expect(broken).toEqual([]);
});
