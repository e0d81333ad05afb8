import { expect, test } from 'vitest';
import { ScaledClock } from '../../../harness/time/scaled-clock.ts';
import { type Answer, type Asked, fakeApiServer } from '../api/fake-api-server.fixture.ts';
import { KubeClient } from '../api/kube-client.ts';
import { installChart } from './install-chart.ts';
import type { OwnChart } from './own-chart.ts';

const template = (image: string) => ({
  metadata: { labels: { team: 'core' } },
  spec: { containers: [{ name: 'app', image }] },
});
const CHART: OwnChart = {
  templates: { v1: template('g:1'), v2: template('g:2') },
  needs: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace: 'run' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'chat' } },
  ],
  notes: [],
};
const refusal = (reason: string, message: string): Answer => ({
  status: reason === 'Forbidden' ? 403 : 400,
  json: { kind: 'Status', reason, message },
});

async function installed(answer: (asked: Asked) => Answer) {
  await using server = await fakeApiServer(answer);
  const clock = new ScaledClock(100);
  const kube = await KubeClient.connect({ config: server.config, clock, namespace: 'run' });
  await installChart(kube, clock, CHART);
  return server.asked;
}

test('what the pods need is applied first, then pods of both versions are tried without being made', async () => {
  const asked = await installed(({ body }) => ({ json: body }));
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'PATCH /api/v1/namespaces/run/configmaps/settings',
    'PATCH /api/v1/namespaces/run/serviceaccounts/chat',
    'POST /api/v1/namespaces/run/pods',
    'POST /api/v1/namespaces/run/pods',
  ]);
  expect(asked.at(-1)?.query.get('dryRun')).toBe('All');
  expect(asked.at(-1)?.body).toMatchObject({ kind: 'Pod', spec: { containers: [{ image: 'g:2' }] } });
});

test("the API server's own words say what the Pod Security Standard refuses", async () => {
  const why =
    'pods "gateway-v1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)';
  const refused = installed(({ method, body }) =>
    method === 'POST' ? refusal('Forbidden', why) : { json: body },
  );
  await expect(refused).rejects.toThrow(`gateway.chart (v1): the cluster refuses its pods: ${why}`);
});

test("a new namespace's account may be late, and a webhook may know no dry run", async () => {
  const answers = [
    refusal('Forbidden', 'pods "gateway-v1" is forbidden: error looking up service account run/default'),
    { json: {} },
    refusal('BadRequest', 'admission webhook "x" does not support dry run'),
  ];
  const asked = await installed(({ method, body }) =>
    method === 'POST' ? (answers.shift() ?? { json: {} }) : { json: body },
  );
  expect(asked.filter(({ method }) => method === 'POST')).toHaveLength(3);
});
