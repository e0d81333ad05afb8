import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

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

const isTest = (file: string) => /\.test\.ts$|\/test-|\/bench\//.test(file);
const inside =
  (...folders: string[]) =>
  (file: string) =>
    folders.some((folder) => file.startsWith(folder));
const shipped = (file: string) => !isTest(file);

/** Programs of their own, which have an environment and an exit code like the CLI. */
const PROGRAMS = /^(harness\/cli\.ts|harness\/gateway\/main\.ts|reports\/cli\.ts|.*\.main\.ts|.*\/main\.ts)$/;

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
    instead: 'a parameter, set by a program (cli.ts, main.ts)',
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
    what: 'an import against the grain',
    pattern: /from '\.\.\/(\.\.\/)?(scenarios|clusters|reports)\//,
    instead: 'harness imports nothing of scenarios, clusters and reports except in cli.ts',
    applies: (file) => inside('harness/')(file) && file !== 'harness/cli.ts' && shipped(file),
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
    /^clusters\/control-plane\/(deployment|replica-set|scheduler|kubelet|endpoint-slice|autoscaler|kube-proxy[a-z-]*|load-balancer|maglev)\.ts$/.test(
      file,
    ),
  );
  expect(models.length).toBeGreaterThan(0);
  for (const file of models)
    expect(readFileSync(join(ROOT, file), 'utf8'), file).not.toMatch(/\bPromise\b|\basync\b|\bClock\b/);
});
