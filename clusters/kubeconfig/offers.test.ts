import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { planCells } from '../../harness/run/plan.ts';
import { ingressCanary } from '../../scenarios/ingress-canary.ts';
import { serviceMesh } from '../../scenarios/service-mesh.ts';
import { fakeApiServer } from '../kubernetes/api/fake-api-server.fixture.ts';
import { createKubeconfig } from './kubeconfig.ts';
import { kubeconfigOptions } from './kubeconfig-options.ts';

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-offers-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const READY = { conditions: [{ type: 'Ready', status: 'True' }] };
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/version': { gitVersion: 'v1.33.1' },
  '/api/v1/nodes': { items: ['a', 'b', 'c'].map((name) => ({ metadata: { name }, status: READY })) },
  '/apis/networking.k8s.io/v1/ingressclasses': {
    items: [{ metadata: { name: 'nginx' }, spec: { controller: 'k8s.io/ingress-nginx' } }],
  },
};

test('a cell is planned where the cluster has what it needs in front, and skipped with the reason where not', async () => {
  await using server = await fakeApiServer(
    ({ path }) =>
      path in ANSWERS
        ? { json: ANSWERS[path] }
        : { status: 403, json: { kind: 'Status', reason: 'Forbidden', message: `no ${path}` } },
    { 'networking.k8s.io/v1': [['Ingress', 'ingresses', true]] },
  );
  const kubeconfig = join(scratch, 'config');
  writeFileSync(kubeconfig, server.config.exportConfig());
  const provider = createKubeconfig(kubeconfigOptions({ kubeconfig }));
  expect(await provider.preflight()).toMatchObject({ usable: true });
  const cells = planCells({
    strategies: [ingressCanary, serviceMesh],
    providers: [provider],
    texts: { ingressApi: 'ingress,gateway-api', meshRouting: 'http', exitOnZero: 'no' },
    seed: 1,
    repeat: 1,
  });
  const skips = cells.map(({ strategy, axes, skip }) => [strategy.name, axes.ingressApi, skip]);
  const mesh = "kubeconfig does not offer mesh (Istio's CRDs (networking.istio.io) are not installed)";
  expect(skips).toEqual([
    ['ingress-canary', 'ingress', undefined],
    [
      'ingress-canary',
      'gateway-api',
      'kubeconfig does not offer nginx-gateway-fabric (the CRDs of the Gateway API (gateway.networking.k8s.io) are not installed)',
    ],
    ['service-mesh', 'ingress', mesh],
    ['service-mesh', 'gateway-api', mesh],
  ]);
});
