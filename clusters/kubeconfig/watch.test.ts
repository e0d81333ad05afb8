import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import { gatewayImageName } from '../kubernetes/gateway/gateway-image.ts';

/** As in kubeconfig.test.ts: clusters/kubeconfig/lab.sh gives a cluster, its nodes the gateway's image, and kubectl. */
const KUBECONFIG = process.env.ONEDROP_KUBECONFIG;
if (KUBECONFIG === undefined)
  process.stdout.write('watch on a cluster of yours: skipped, ONEDROP_KUBECONFIG names no kubeconfig\n');

const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli', 'main.ts');
const NAMESPACE = 'shop';
const NODE_PORT = 30_480;

const has = (program: string) => {
  try {
    execFileSync(program, ['version', '--client'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
};
const isHelm = KUBECONFIG !== undefined && has('helm');
if (KUBECONFIG !== undefined && !isHelm)
  process.stdout.write('watch: helm is not installed, kubectl releases\n');

let scratch: string;
let image: string;
/** Of an account that may only read. */
let reader: string;
let address: string;

const kubectl = (...words: string[]) =>
  execFileSync('kubectl', ['--kubeconfig', KUBECONFIG ?? '', '--namespace', NAMESPACE, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
const apply = (manifest: unknown) =>
  execFileSync('kubectl', ['--kubeconfig', KUBECONFIG ?? '', 'apply', '-f', '-'], {
    input: typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
    stdio: ['pipe', 'pipe', 'pipe'],
  });

interface Workload {
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly version: string;
  readonly image?: string;
}

const place = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });

/** A gateway of three pods, as its own chart would make it. */
function workload({ kind, version, image: own = image }: Workload) {
  const labels = { app: 'gateway' };
  const strategy =
    kind === 'Deployment'
      ? { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }
      : { serviceName: 'gateway' };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'gateway', namespace: NAMESPACE },
    spec: {
      replicas: 3,
      ...strategy,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...labels, version } },
        spec: {
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: 'ws',
              image: own,
              env: [
                { name: 'VERSION', value: version },
                place('POD_NAME', 'metadata.name'),
                place('NODE_NAME', 'spec.nodeName'),
              ],
              ports: [{ name: 'ws', containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/readyz', port: 8081 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  };
}

const service = () => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'gateway', namespace: NAMESPACE },
  spec: {
    type: 'NodePort',
    selector: { app: 'gateway' },
    ports: [{ name: 'ws', port: 80, targetPort: 8080, nodePort: NODE_PORT }],
  },
});

/** A chart of the workload and its Service, as files. */
function chart(kind: Workload['kind']): string {
  const folder = join(scratch, `chart-${kind}`);
  mkdirSync(join(folder, 'templates'), { recursive: true });
  writeFileSync(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: gateway\nversion: 1.0.0\n');
  writeFileSync(join(folder, 'values.yaml'), `version: v1\nimage: ${image}\n`);
  const filled = JSON.stringify(workload({ kind, version: '@V', image: '@I' }))
    .replaceAll('"@V"', '{{ .Values.version | quote }}')
    .replaceAll('"@I"', '{{ .Values.image | quote }}');
  writeFileSync(join(folder, 'templates', 'gateway.yaml'), `${filled}\n---\n${JSON.stringify(service())}\n`);
  return folder;
}

/** The command that releases: helm where it is installed, else kubectl. */
function upgrade(
  kind: Workload['kind'],
  { version = 'v2', image: own = image, within = '180s' } = {},
): string[] {
  if (isHelm)
    return [
      ...[
        'helm',
        '--kubeconfig',
        KUBECONFIG ?? '',
        '--namespace',
        NAMESPACE,
        'upgrade',
        'gateway',
        chart(kind),
      ],
      ...['--set', `version=${version},image=${own}`, '--wait', '--timeout', within],
    ];
  const file = join(scratch, `${kind}.json`);
  writeFileSync(file, JSON.stringify(workload({ kind, version, image: own })));
  const with_ = `kubectl --kubeconfig ${KUBECONFIG} --namespace ${NAMESPACE}`;
  const rollout = `${with_} rollout status ${kind.toLowerCase()} gateway --timeout ${within}`;
  return ['bash', '-c', `${with_} apply -f ${file} && ${rollout}`];
}

async function installed(kind: Workload['kind']): Promise<void> {
  if (isHelm) {
    const to = ['--kubeconfig', KUBECONFIG ?? '', '--namespace', NAMESPACE];
    execFileSync('helm', [...to, 'upgrade', '--install', 'gateway', chart(kind), '--wait'], {
      stdio: 'pipe',
    });
  } else for (const object of [workload({ kind, version: 'v1' }), service()]) apply(object);
  kubectl('rollout', 'status', kind.toLowerCase(), 'gateway', '--timeout', '120s');
}

/** How the gateway says what it is. */
const SAYS = ['--version-from', 'message:/version', '--pod-from', 'message:/pod'];

const words = (out: string, says = SAYS) => [
  ...['watch', `ws://${address}:${NODE_PORT}/`, '--kubeconfig', reader, '--namespace', NAMESPACE],
  ...['--service', 'gateway', ...says],
  ...['--clients', '120', '--heartbeat', '3s', '--backoff', '4s', '--settle', '3s', '--patience', '60s'],
  ...['--no-config', '--format', 'json', '--out', out],
];

async function watched(name: string, command: readonly string[], says = SAYS) {
  const out = join(scratch, name);
  const { code, text } = await new Promise<{ code: number; text: string }>((resolve) => {
    execFile(
      process.execPath,
      [CLI, ...words(out, says), '--', ...command],
      { maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code);
        resolve({ code, text: code > 2 ? stderr : stdout });
      },
    );
  });
  expect(code, text).toBeLessThanOrEqual(2);
  const [cell] = (JSON.parse(text) as { cells: CellDocument[] }).cells;
  process.stdout.write(
    `${name}: dropped ${cell?.dropped} of ${cell?.clients}, twice ${cell?.droppedTwice}, predicted ${JSON.stringify(cell?.predicted?.samples.map(({ dropped, droppedTwice }) => [dropped, droppedTwice]))}, verdict ${cell?.verdict}: ${cell?.why.join('; ')}\n`,
  );
  return { code, cell: cell as CellDocument, log: readFileSync(join(out, 'events.jsonl'), 'utf8') };
}

describe.skipIf(KUBECONFIG === undefined)('watching a release on a real cluster', () => {
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'onedrop-watch-lab-'));
    image = await gatewayImageName();
    apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
    apply(readFileSync(join(import.meta.dirname, '..', 'kubernetes', 'watch-rbac.yaml'), 'utf8'));
    reader = await readerConfig();
    const nodes = JSON.parse(kubectl('get', 'nodes', '-o', 'json')) as {
      items: { status: { addresses: { type: string; address: string }[] } }[];
    };
    address = nodes.items[0]?.status.addresses.find(({ type }) => type === 'InternalIP')?.address ?? '';
  }, 120_000);
  afterAll(() => {
    kubectl('delete', 'namespace', NAMESPACE, '--wait=false');
    rmSync(scratch, { recursive: true, force: true });
  });

  for (const kind of ['Deployment', 'StatefulSet'] as const)
    test(`of a ${kind}: who was dropped once and twice, each with its cause, beside what was predicted`, async () => {
      await installed(kind);
      const { cell, log } = await watched(`upgrade-${kind}`, upgrade(kind));
      expect(cell).toMatchObject({
        clients: 120,
        dropped: 120,
        unattributed: 0,
        collateral: 0,
        stillAway: 0,
      });
      expect(cell.axes).toMatchObject({ pods: 3, nodes: 3, grace: 10_000 });
      expect(cell.predicted?.samples.length).toBeGreaterThan(1);
      expect(log.includes(`${kind} gateway rolls out`)).toBe(true);
      remove(kind);
    }, 300_000);

  test('of a gateway that says nothing of itself: each drop is laid to a pod that was told to end', async () => {
    await installed('Deployment');
    const { cell } = await watched('silent', upgrade('Deployment', { version: 'v4' }), []);
    expect(cell).toMatchObject({ clients: 120, dropped: 120, unattributed: 0, inferred: 120, stillAway: 0 });
  }, 300_000);

  test('that is undone in the middle is predicted as a rollback', async () => {
    await installed('Deployment');
    const to = `kubectl --kubeconfig ${KUBECONFIG} --namespace ${NAMESPACE}`;
    const { cell, log } = await watched('undo', [
      ...['bash', '-c'],
      `${to} set env deployment/gateway VERSION=v2 && sleep 4 && ${to} rollout undo deployment/gateway && ${to} rollout status deployment/gateway`,
    ]);
    expect(cell).toMatchObject({ clients: 120, unattributed: 0, stillAway: 0 });
    expect(log.includes('Deployment gateway is rolled back')).toBe(true);
    expect(/"rollbackAfter":\d+/.test(log)).toBe(true);
  }, 300_000);

  test('that fails for want of an image says so, by exit code 2, and drops nobody', async () => {
    const { code, cell } = await watched(
      'missing',
      upgrade('Deployment', { image: 'registry.invalid/nothing:1', within: '40s' }),
    );
    expect(code).toBe(2);
    expect(cell).toMatchObject({ dropped: 0, verdict: 'unknown' });
    expect(cell.why.join()).toMatch(/the release failed: .* it ended with exit code/);
  }, 300_000);

  const harness = process.env.ONEDROP_HARNESS_IMAGE;
  test.skipIf(harness === undefined)(
    'runs as a Job, as nobody, and is asked through its Service',
    async () => {
      await installed('Deployment');
      const own = ['--clients=60', '--heartbeat=3s', '--backoff=4s', '--settle=3s', '--patience=60s'];
      const manifest = readFileSync(
        join(import.meta.dirname, '..', '..', 'harness', 'watch', 'ready', 'job.yaml'),
        'utf8',
      )
        .replace('image: onedrop:0.1.0', `image: ${harness}`)
        .replace('wss://gateway.example/ws', `ws://${address}:${NODE_PORT}/`)
        .replace('            - --clients=500\n', own.map((word) => `            - ${word}\n`).join(''))
        .replace(
          '            - --for=2h\n',
          '            - --version-from=message:/version\n            - --pod-from=message:/pod\n',
        );
      const file = join(scratch, 'job.yaml');
      writeFileSync(file, manifest);
      kubectl('apply', '-f', file);
      const verdict = () => {
        try {
          return JSON.parse(
            kubectl(
              'get',
              '--raw',
              `/api/v1/namespaces/${NAMESPACE}/services/onedrop-watch:http/proxy/verdict`,
            ),
          ) as { state: string; clients: number };
        } catch {
          return undefined;
        }
      };
      while (verdict()?.state !== 'ready') await pause(1000);
      expect(verdict()?.clients).toBe(60);
      kubectl('set', 'env', 'deployment/gateway', 'VERSION=v3');
      const exitCode = () =>
        kubectl(
          'get',
          'pods',
          '-l',
          'app=onedrop-watch',
          '-o',
          'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}',
        );
      while (exitCode() === '') await pause(1000);
      const log = kubectl('logs', '-l', 'app=onedrop-watch', '--tail=40');
      process.stdout.write(`${log}\n`);
      expect(['0', '1']).toContain(exitCode());
      expect(log).toMatch(/watch .*(pass|fail)/);
      expect(log).toContain('watch/report.html');
    },
    300_000,
  );

  test('leaves nothing on the cluster when it is killed with -9: it had never written anything', async () => {
    const before = everything();
    const child = spawn(process.execPath, [CLI, ...words(join(scratch, 'killed')), '--for', '1h'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (text: Buffer) => {
        if (String(text).includes('[ready]')) resolve();
      });
      child.once('exit', () => resolve());
    });
    child.kill('SIGKILL');
    await pause(2000);
    expect(everything()).toEqual(before);
  }, 120_000);
});

const remove = (kind: string) => {
  kubectl('delete', kind.toLowerCase(), 'gateway', '--grace-period=1');
  kubectl('delete', 'service', 'gateway');
  if (isHelm)
    execFileSync(
      'helm',
      ['--kubeconfig', KUBECONFIG ?? '', '--namespace', NAMESPACE, 'uninstall', 'gateway'],
      { stdio: 'pipe' },
    );
};

/** Every object that a run of ours could make. */
const everything = () =>
  kubectl(
    'get',
    'namespaces,leases,services,deployments,statefulsets,pods,configmaps,roles',
    '--all-namespaces',
    '-o',
    'name',
  )
    .split('\n')
    .sort();

/** A kubeconfig of the account that clusters/kubernetes/watch-rbac.yaml makes. */
async function readerConfig(): Promise<string> {
  const config = JSON.parse(kubectl('config', 'view', '--raw', '-o', 'json')) as {
    users: { name: string; user: object }[];
  };
  const file = join(scratch, 'reader.kubeconfig');
  const request = join(scratch, 'token.json');
  writeFileSync(
    request,
    JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 7200 },
    }),
  );
  const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/onedrop-watch/token`;
  const { status } = JSON.parse(kubectl('create', '--raw', path, '-f', request)) as {
    status: { token: string };
  };
  for (const one of config.users) one.user = { token: status.token };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
