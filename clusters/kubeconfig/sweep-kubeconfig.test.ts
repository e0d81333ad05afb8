import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { fakeApiServer } from '../kubernetes/api/fake-api-server.fixture.ts';
import { kubeconfigOptions } from './kubeconfig-options.ts';
import { sweepKubeconfig } from './sweep-kubeconfig.ts';

/** A home without a kubeconfig. */
let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'onedrop-sweep-'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('KUBECONFIG', undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

function file(text: string): string {
  const path = join(home, 'config');
  writeFileSync(path, text);
  return path;
}
const sweep = (kubeconfig: string) => sweepKubeconfig(kubeconfigOptions({ kubeconfig }));

test.each([
  ['is not there', () => join(home, 'nowhere')],
  ['is a folder', () => home],
  ['is no YAML', () => file('{{{')],
  ['is empty', () => file('')],
  ['has no current context', () => file('apiVersion: v1\nkind: Config\n')],
])('a kubeconfig that %s is told, not taken for a clean cluster', async (_, path) => {
  const kubeconfig = path();
  const { removed, unseen } = await sweep(kubeconfig);
  expect(removed).toEqual([]);
  expect(unseen).toHaveLength(1);
  expect(unseen[0]?.what).toContain(kubeconfig);
  expect(unseen[0]?.why).not.toBe('');
});

test('a cluster whose namespaces may not be listed is told, with its own words', async () => {
  const server = await fakeApiServer(() => ({
    status: 403,
    json: { kind: 'Status', reason: 'Forbidden', message: 'namespaces is forbidden' },
  }));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { unseen } = await sweep(file(server.config.exportConfig()));
  expect(unseen).toMatchObject([{ why: 'namespaces is forbidden' }]);
});

test('nobody has named a kubeconfig and there is no default: nothing to look at', async () => {
  expect(await sweepKubeconfig(kubeconfigOptions({}))).toEqual({ removed: [], unseen: [] });
});
