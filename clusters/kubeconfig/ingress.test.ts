import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import type { CellDocument } from '../../harness/analyses/cell-document.ts';
import type { Event } from '../../harness/contracts/event.ts';
import type { DoctorReport } from '../../harness/run/examine.ts';
import { KubeConfig } from '../kubernetes/api/kube-config.ts';
import { nginxMissing } from '../netns/nginx/nginx-missing.ts';
import { type LabController, labController } from './ingress-controller.fixture.ts';

/** The kubeconfig of a cluster without an ingress controller, whose pods can be reached from here: clusters/kubeconfig/lab.sh. */
const KUBECONFIG = process.env.ONEDROP_KUBECONFIG;
const missing = KUBECONFIG === undefined ? 'ONEDROP_KUBECONFIG names no kubeconfig' : nginxMissing();
if (missing !== undefined) process.stdout.write(`an ingress on a cluster of yours: skipped, ${missing}\n`);

const CLI = join(import.meta.dirname, '..', '..', 'harness', 'cli', 'main.ts');
const ON = ['--cluster', 'kubeconfig', '--kubeconfig', KUBECONFIG ?? '', '--format', 'json'];
const SHORT = ['--clients', '100', '--heartbeat', '2s', '--backoff', '5s', '--drain-over', '30s'];
const CANARY = ['ingress-canary', '--canary-steps', '50-100', '--canary-every', '10s', ...SHORT];
const scratch = missing === undefined ? mkdtempSync(join(tmpdir(), 'onedrop-ingress-')) : '';
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A verdict other than `pass`, as where every cell was skipped, is an exit code and no failure here. */
const onedrop = (...words: string[]) =>
  promisify(execFile)(process.execPath, [CLI, 'scenario', ...words, ...ON], { maxBuffer: 1 << 26 }).then(
    ({ stdout }) => stdout,
    (error: Error & { code: number; stdout: string }) =>
      error.code < USAGE ? error.stdout : Promise.reject(error),
  );
const USAGE = 64;

describe.skipIf(missing !== undefined)('what stands in front on a real cluster', () => {
  test('is found, and what is not there is skipped with the reason', async () => {
    const { facts } = JSON.parse(await onedrop('doctor')) as DoctorReport;
    expect(facts['ingress controller']).toBe(
      'none: the cluster has no IngressClass of controller k8s.io/ingress-nginx (found: none)',
    );
    expect(facts['Gateway API']).toContain('(gateway.networking.k8s.io) are not installed');
    expect(facts['service mesh']).toContain('(networking.istio.io) are not installed');
    const out = join(scratch, 'skipped');
    await onedrop('ingress-canary', 'service-mesh', '--ingress-api', 'ingress,gateway-api', '--out', out);
    const why = events(out).flatMap((event) => (event.type === 'skipped' ? [event.why] : []));
    expect(new Set(why)).toEqual(
      new Set(
        [
          ['ingress-nginx', 'ingress controller'],
          ['nginx-gateway-fabric', 'Gateway API'],
          ['mesh', 'service mesh'],
        ].map(
          ([need, fact]) => `kubeconfig does not offer ${need} (${facts[fact ?? '']?.replace('none: ', '')})`,
        ),
      ),
    );
  }, 120_000);

  test('canary weights and a promoted selector reload nothing: only the gateway itself ends connections', async () => {
    await using controller = await lab();
    const cell = await played('ingress', '--promote', 'selector');
    expect(cell).toMatchObject({ closed: 100, landedOnOld: 0 });
    expect(controller.acts.filter(({ connections }) => connections > 0)).toEqual([]);
  }, 900_000);

  test('the weights of a HTTPRoute do as much through a Gateway of its own', async () => {
    await using controller = await lab();
    await played('gateway-api', '--ingress-api', 'gateway-api');
    // The implementation that stands for the API reloads for endpoints; its old workers keep what they hold.
    const others = controller.acts.filter(({ act, connections }) => act !== 'reload' && connections > 0);
    expect(others).toEqual([]);
  }, 900_000);
});

/** Not the name that the manifests are written with: that one is for the cluster to say. */
function lab(): Promise<LabController> {
  const config = new KubeConfig();
  config.loadFromFile(KUBECONFIG ?? '');
  return labController(config, 'lab-nginx');
}

async function played(name: string, ...words: string[]): Promise<CellDocument> {
  const out = join(scratch, name);
  const text = await onedrop(...CANARY, ...words, '--out', out);
  const [cell] = (JSON.parse(text) as { cells: CellDocument[] }).cells;
  if (cell === undefined) throw new Error(`no cell was played: ${text}`);
  expect(cell).toMatchObject({
    clients: 100,
    dropped: 100,
    droppedTwice: 0,
    collateral: 0,
    controlDropped: 0,
    unattributed: 0,
    predicted: { agrees: true },
  });
  const ways = events(out).filter((event) => event.type === 'evidence' && / gateway$/.test(event.source));
  expect(JSON.stringify(ways)).toContain('.onedrop.test');
  return cell;
}

const events = (out: string): Event[] =>
  readFileSync(join(out, 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
