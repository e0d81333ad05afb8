import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { everyCommand } from './every-command.fixture.ts';
import { gkeOptions } from './gke-options.ts';
import { plannedCommands } from './gke-plan.ts';

/** The SDK's root, where gcloud is installed: the program is a link or a file in its `bin`. */
function sdkRoot(): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(directory, 'gcloud');
    if (!existsSync(program)) continue;
    const root = dirname(dirname(realpathSync(program)));
    if (existsSync(join(root, 'lib', 'googlecloudsdk'))) return root;
  }
  return undefined;
}

const root = sdkRoot();
if (root === undefined)
  process.stdout.write('gke: command lines are not checked against gcloud: it is not installed here\n');

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-gcloud-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Answer {
  readonly ok: boolean;
  readonly why?: string;
}

/** What gcloud's own parser says to each command line; nothing is executed and nothing leaves the machine. */
function parse(lines: readonly (readonly string[])[]): Answer[] {
  const bundled = join(root ?? '', 'platform', 'bundledpythonunix', 'bin', 'python3');
  const answers = execFileSync(
    existsSync(bundled) ? bundled : 'python3',
    ['-S', join(import.meta.dirname, 'gcloud-parser.py'), root ?? ''],
    {
      input: lines.map((words) => `${JSON.stringify(words)}\n`).join(''),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env.PATH,
        HOME: scratch,
        CLOUDSDK_CONFIG: scratch,
        CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
      },
    },
  );
  return answers
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
}

const ASKERS = gkeOptions({ project: 'some-project' });
const RUN = { owner: 'somebody@somewhere', expires: new Date('2026-01-01T06:00:00Z') };

const OPTIONS = [
  ASKERS,
  gkeOptions({}),
  gkeOptions({
    project: 'some-project',
    region: 'us-central1',
    zones: 'a-f',
    channel: 'rapid',
    'gke-version': '1.34',
    'machine-type': 'n2-standard-4',
    'gateway-image': 'example.com/gateway:1',
    'clients-from': 'vm',
  }),
];

test.skipIf(root === undefined)(
  "gcloud's own parser accepts every command line that a run can give",
  () => {
    const cells = [
      defaultAxes({ policy: 'Local' }),
      defaultAxes({ nodes: 2, balancer: 'backend-service' }),
      defaultAxes({ nodes: 6, proxy: 'cilium-1.16' }),
    ];
    const all = OPTIONS.flatMap((options) => [
      ...plannedCommands(cells, options, RUN)
        .filter(({ file }) => file === 'gcloud')
        .map(({ words }) => words),
      ...everyCommand(options),
    ]);
    const lines = [...new Map(all.map((words) => [words.join(' '), words])).values()];
    const refused = parse(lines).flatMap(({ ok, why }, index) =>
      ok ? [] : [`${lines[index]?.join(' ')}: ${why}`],
    );
    expect(refused).toEqual([]);
  },
  120_000,
);

test.skipIf(root === undefined)('the parser refuses what gcloud does not know', () => {
  const wrong = [
    ['container', 'clusters', 'create', 'x', '--enable-dataplane-v3'],
    ['compute', 'target-pools', 'get-health', '--region', 'europe-west1'],
    ['container', 'clusters', 'create', 'x', '--num-nodes', 'many'],
  ];
  expect(parse(wrong).map(({ ok }) => ok)).toEqual([false, false, false]);
});
