import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import { workload } from '../../../harness/workload/workload.ts';

const CHART = join(import.meta.dirname, 'chart');
const ENVIRONMENT = join(import.meta.dirname, '..', '..', '..', 'harness', 'gateway', 'environment.ts');

const helm = (...words: string[]) => execFileSync('helm', words, { encoding: 'utf8', stdio: 'pipe' });
const noHelm = (() => {
  try {
    helm('version');
    return false;
  } catch {
    return true;
  }
})();

test('the chart sets only what the gateway reads and the built-in manifests set too', () => {
  const template = readFileSync(join(CHART, 'templates', 'deployment.yaml'), 'utf8');
  const names = [...template.matchAll(/- name: ([A-Z_]+)$/gm)].map(([, name]) => name as string);
  const container = workload(defaultAxes()).deployment('v1').spec?.template.spec?.containers[0];
  expect(container?.env?.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
  for (const name of names) expect(readFileSync(ENVIRONMENT, 'utf8')).toContain(name);
});

test.skipIf(noHelm)(
  'helm renders it, with and without Service and autoscaler, and insists on an image tag',
  () => {
    helm('lint', CHART, '--set', 'image.tag=x');
    const kinds = (...values: string[]) =>
      loadAllYaml(helm('template', 'gateway-v1', CHART, ...values.flatMap((value) => ['--set', value])))
        .map(({ kind }) => kind)
        .sort();
    expect(kinds('image.tag=x')).toEqual(['Deployment', 'Service']);
    expect(kinds('image.tag=x', 'service.create=false', 'autoscaling.enabled=true')).toEqual([
      'Deployment',
      'HorizontalPodAutoscaler',
    ]);
    expect(() => kinds()).toThrow(/image.tag/);
  },
);
