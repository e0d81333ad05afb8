import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import { type ConfigInput, readConfig } from '../../../harness/contracts/config.ts';
import { workload } from '../../../harness/workload/workload.ts';
import { renderOwnChart } from './helm.ts';

type Chart = NonNullable<ConfigInput['gateway']['chart']>;

const own = (chart: Partial<Chart>, clients: ConfigInput['clients'] = {}) =>
  readConfig(
    {
      gateway: {
        chart: { name: './chart', ...chart },
        directory: import.meta.dirname,
        port: 8080,
        readyPath: '/readyz',
      },
      version: { message: '/version' },
      clients,
    },
    'x',
  );

const PLACE = { namespace: 'cell' };
const scratch = mkdtempSync(join(tmpdir(), 'onedrop-helm-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const noHelm = (() => {
  try {
    execFileSync('helm', ['version'], { stdio: 'pipe' });
    return false;
  } catch {
    process.stdout.write('helm.test.ts: what needs a real helm is skipped, it is not installed\n');
    return true;
  }
})();

describe.skipIf(noHelm)("the project's own chart as somebody else's", () => {
  const values = (version: 'v1' | 'v2') => ({ version, image: { tag: version }, service: { create: true } });

  test('is rendered once a version, with the values of each', async () => {
    const config = own({ values: { v1: values('v1'), v2: values('v2') } });
    const chart = await renderOwnChart(config, PLACE);
    expect(chart?.needs).toEqual([]);
    expect(chart?.notes).toEqual([
      'left out of the chart, because the run has its own: Service gateway',
      expect.stringContaining("in place of the chart's own: replicas (--pods), strategy"),
    ]);
    const { deployment } = workload(defaultAxes({ grace: 90_000 }), {
      gateway: config.gateway,
      runs: 'image',
      ...(chart === undefined ? {} : { podTemplates: chart.templates }),
    });
    for (const version of ['v1', 'v2'] as const) {
      const { metadata, spec } = deployment(version).spec?.template ?? {};
      const labels = { app: 'gateway', release: `gateway-${version}`, version };
      expect(metadata?.labels).toEqual(labels);
      expect(spec?.terminationGracePeriodSeconds).toBe(90);
      expect(spec?.topologySpreadConstraints?.[0]?.labelSelector?.matchLabels).toEqual({
        app: 'gateway',
        release: `gateway-${version}`,
      });
      const [container] = spec?.containers ?? [];
      expect(container).toMatchObject({
        image: `onedrop-gateway:${version}`,
        env: expect.arrayContaining([{ name: 'VERSION', value: version }]),
        readinessProbe: { httpGet: { path: '/readyz', port: 'admin' }, periodSeconds: 5 },
        securityContext: { readOnlyRootFilesystem: true },
      });
      expect(container?.env?.filter(({ name }) => name === 'POD_NAME')).toHaveLength(1);
      expect(container?.lifecycle).toBeUndefined();
    }
  });

  test("helm's own refusal is told, by version, with nothing of the values", async () => {
    const token = 'a-long-secret';
    const config = own(
      { values: { v1: values('v1'), v2: { image: {}, note: token } } },
      { headers: { authorization: token } },
    );
    const refused = renderOwnChart(config, PLACE);
    await expect(refused).rejects.toThrow(
      /^gateway\.chart \(v2\): helm template gateway-v2 .\/chart --namespace cell ended with exit code 1: .*image\.tag/s,
    );
    await expect(refused).rejects.not.toThrow(token);
  });

  test("a chart may insist on the cluster's version", async () => {
    const config = own({ values: values('v1') });
    await expect(renderOwnChart(config, { ...PLACE, kubernetes: 'v1.18.3' })).rejects.toThrow(/kubeVersion/);
  });
});

test('without a chart nothing is asked, and without helm it is said where to get it', async () => {
  vi.stubEnv('PATH', scratch);
  const plain = { command: ['node'], port: 1, readyPath: '/' };
  const config = readConfig({ gateway: plain, version: { header: 'x' } }, 'x');
  expect(await renderOwnChart(config, PLACE)).toBeUndefined();
  await expect(renderOwnChart(own({}), PLACE)).rejects.toThrow(
    /gateway\.chart: helm could not be started.*https:\/\/helm\.sh/,
  );
});

test('helm gets chart, version, cluster and values as arguments and input, and comments and lists are read', async () => {
  const helm = join(scratch, 'helm');
  writeFileSync(
    helm,
    `#!/usr/bin/env node
const input = require('node:fs').readFileSync(0, 'utf8');
const data = JSON.stringify({ words: process.argv.slice(2).join(' '), input });
console.log(\`---
# Source: chart/templates/off.yaml
# nothing here
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: said-\${process.argv[3]} }, data: \${data} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: chat, labels: { a: 1, a: 2 } }
spec:
  template: { spec: { containers: [{ name: app, ports: [{ containerPort: 8080 }] }] } }
\`);
`,
  );
  chmodSync(helm, 0o755);
  vi.stubEnv('PATH', `${scratch}${delimiter}${process.env.PATH}`);
  const chart = await renderOwnChart(
    own({ name: 'shop/chat', version: { v1: '7.0.0', v2: '8.0.0' }, values: { v1: { a: 1 }, v2: { a: 2 } } }),
    { ...PLACE, kubernetes: 'v1.34.0' },
  );
  expect(chart?.needs.map((object) => (object as { data?: unknown }).data)).toEqual([
    {
      words:
        'template gateway-v1 shop/chat --namespace cell --version 7.0.0 --kube-version v1.34.0 --values -',
      input: '{"a":1}',
    },
    {
      words:
        'template gateway-v2 shop/chat --namespace cell --version 8.0.0 --kube-version v1.34.0 --values -',
      input: '{"a":2}',
    },
  ]);
});
