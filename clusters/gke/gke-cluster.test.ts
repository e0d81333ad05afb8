import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { InterruptedError } from '../../harness/errors.ts';
import { leaseHolder, owner, takeLease } from '../kubernetes/lease/lease.ts';
import { createGkeCluster } from './gke-cluster.ts';
import { gkeOptions, shapeOf } from './gke-options.ts';
import { labelsFor } from './labels.ts';
import { sweepGke } from './sweep-gke.ts';

/** A gcloud that answers from a table by the beginning of the words, with nothing by default, and writes down what it was told. */
const FAKE = `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const words = process.argv.slice(2).join(' ');
appendFileSync(join(__dirname, 'told'), words + '\\n');
if (process.env.HANG === String(readFileSync(join(__dirname, 'told'), 'utf8').split('\\n').length - 1)) setTimeout(() => {}, 60_000);
const answers = JSON.parse(readFileSync(join(__dirname, 'answers.json'), 'utf8'));
const { out, err, code } = answers.find(({ to }) => words.startsWith(to)) ?? {};
if (words.includes('get-credentials')) writeFileSync(process.env.KUBECONFIG, 'a kubeconfig');
process.stdout.write(out ?? (/ list /.test(words) ? '[]' : ''));
process.stderr.write(err ?? '');
process.exitCode = code ?? 0;
`;

let directory = '';
const path = process.env.PATH;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'onedrop-fake-gcloud-'));
  writeFileSync(join(directory, 'gcloud'), FAKE);
  chmodSync(join(directory, 'gcloud'), 0o755);
  process.env.PATH = `${directory}${delimiter}${path}`;
  answers([]);
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(directory, { recursive: true, force: true });
});

function answers(table: readonly { to: string; out?: string; err?: string; code?: number }[]): void {
  writeFileSync(join(directory, 'answers.json'), JSON.stringify(table));
}

/** The verbs in the order in which gcloud was told them, without flags. */
function told(): string[] {
  const file = join(directory, 'told');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' --')[0] ?? '');
}
const deletions = () => told().filter((words) => words.includes(' delete '));

const OPTIONS = gkeOptions({ project: 'p', 'gateway-image': 'example.com/gateway:1' });
const SHAPE = shapeOf(defaultAxes(), OPTIONS);
const create = (name: string) => createGkeCluster(name, SHAPE, OPTIONS, new AbortController().signal);

test('a cluster is created, and at the end it goes with what its Services left, nothing else', async () => {
  const created = '2026-01-01T00:00:00Z';
  const region = 'https://www.googleapis.com/compute/v1/projects/p/regions/europe-west1';
  const rule = (name: string, namespace: string) => ({
    name,
    region,
    creationTimestamp: created,
    description: `{"kubernetes.io/service-name":"${namespace}/gateway"}`,
  });
  const rules = [rule('amine', 'onedrop-gke-cell-test-1'), rule('aothers', 'onedrop-gke-cell-other-1')];
  answers([{ to: 'compute forwarding-rules list', out: JSON.stringify(rules) }]);
  const cluster = await create('onedrop-gke-test-1');
  expect(cluster.kubeconfig).toBe('a kubeconfig');
  expect(await leaseHolder('onedrop-gke-test-1')).toBe('alive');
  cluster.namespaces.add('onedrop-gke-cell-test-1');
  await cluster.remove();
  expect(deletions()).toEqual([
    'container clusters delete onedrop-gke-test-1',
    'compute forwarding-rules delete amine',
  ]);
  expect(await leaseHolder('onedrop-gke-test-1')).toBe('unknown');
});

test('a creation that fails is waited for and deleted, and the error is the first one', async () => {
  answers([
    { to: 'container clusters create', code: 1, err: 'ERROR: quota' },
    { to: 'container operations list', out: '[{"name":"operation-1"}]' },
  ]);
  await expect(create('onedrop-gke-test-2')).rejects.toThrow('ERROR: quota');
  expect(told().slice(0, 4)).toEqual([
    'container clusters create onedrop-gke-test-2',
    'container operations list',
    'container operations wait operation-1',
    'container clusters delete onedrop-gke-test-2',
  ]);
  expect(await leaseHolder('onedrop-gke-test-2')).toBe('unknown');
});

test('a cluster that was never there is deleted', async () => {
  answers([
    { to: 'container clusters create', code: 1, err: 'ERROR: permission' },
    { to: 'container clusters delete', code: 1, err: 'ERROR: code=404, message=Not found: projects/p' },
  ]);
  await expect(create('onedrop-gke-test-3')).rejects.toThrow('ERROR: permission');
});

test('sweep takes expired clusters and repositories, and leaves living ones', async () => {
  const now = new Date();
  const at = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
  const cluster = (name: string, resourceLabels: object) => ({
    name,
    location: 'europe-west1',
    resourceLabels,
  });
  await using _lease = await takeLease('onedrop-gke-living');
  answers([
    {
      to: 'container clusters list',
      out: JSON.stringify([
        cluster('onedrop-gke-living', labelsFor('onedrop-gke-living', owner(), at(-1))),
        cluster('onedrop-gke-expired', labelsFor('onedrop-gke-expired', 'somebody', at(-1))),
        cluster('onedrop-gke-others', labelsFor('onedrop-gke-others', 'somebody', at(1))),
      ]),
    },
    {
      to: 'artifacts repositories list',
      out: JSON.stringify([
        {
          name: 'projects/p/locations/europe-west4/repositories/onedrop-gke-expired',
          labels: labelsFor('onedrop-gke-expired', 'somebody', at(-1)),
        },
      ]),
    },
  ]);
  expect(await sweepGke(OPTIONS)).toEqual({
    removed: [
      { kind: 'GKE cluster', name: 'onedrop-gke-expired' },
      { kind: 'Artifact Registry repository', name: 'onedrop-gke-expired' },
    ],
    unseen: [],
  });
  expect(deletions()).toEqual([
    'container clusters delete onedrop-gke-expired',
    'artifacts repositories delete onedrop-gke-expired',
  ]);
});

test('where sweep may not look it says so, instead of finding nothing', async () => {
  answers([{ to: 'container clusters list', code: 1, err: 'ERROR: permission denied' }]);
  const { removed, unseen } = await sweepGke(OPTIONS);
  expect(removed).toEqual([]);
  expect(unseen).toMatchObject([{ what: 'GKE', why: expect.stringContaining('permission denied') }]);
});

test('whoever does not use GKE is not told that it could not be looked at', async () => {
  answers([{ to: '', code: 1, err: 'ERROR: nobody is logged in' }]);
  expect(await sweepGke(gkeOptions({}))).toEqual({ removed: [], unseen: [] });
});

test('whichever gcloud of its creation hangs, a cluster ends with the first interruption and is deleted', async () => {
  // With a project to find out, an image to push and a machine for the clients.
  const options = gkeOptions({ 'gateway-image': 'example.com/gateway:1', 'clients-from': 'vm' });
  let hang = 1;
  for (let ended = false; ; hang++, ended = false) {
    rmSync(join(directory, 'told'), { force: true });
    vi.stubEnv('HANG', String(hang));
    const controller = new AbortController();
    const name = `onedrop-gke-hang-${hang}-${process.pid}`;
    const begun = createGkeCluster(name, SHAPE, options, controller.signal)
      .catch((error: Error) => error)
      .finally(() => {
        ended = true;
      });
    // The tunnel is a gcloud as well, and goes on for as long as the cluster does.
    while (!ended && told().length < hang) await new Promise((resolve) => setTimeout(resolve, 10));
    vi.stubEnv('HANG', '');
    controller.abort();
    expect(await begun).toBeInstanceOf(InterruptedError);
    expect(deletions()).toContain(`container clusters delete ${name}`);
    expect(await leaseHolder(name)).toBe('unknown');
    if (
      told()[hang - 1]?.startsWith('compute start-iap-tunnel') ||
      told()[hang - 1]?.startsWith('compute ssh')
    )
      break;
  }
  vi.unstubAllEnvs();
  expect(hang).toBeGreaterThan(3);
}, 60_000);
