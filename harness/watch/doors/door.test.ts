import { execFileSync } from 'node:child_process';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ScaledClock } from '../../time/scaled-clock.ts';
import { AnnouncedReleases, type Releases } from '../releases.ts';
import { SPEED, targetOf, testGateway, watched } from '../watch.fixture.ts';
import { type Door, openDoor } from './door.ts';
import { gate } from './gate.ts';
import { WatchMetrics } from './metrics.ts';
import { sendOtlp, wantsOtlp } from './otlp.ts';
import { Standing, type StandingDocument } from './standing.ts';

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function ask(door: Door, path: string, { method = 'GET', headers = {}, body = '' }: Asked = {}) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>(
    (resolve, reject) => {
      const asked = request(new URL(path, door.url), { method, headers }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
        );
      });
      asked.on('error', reject);
      asked.end(body);
    },
  );
}

async function doorOf(releases?: AnnouncedReleases) {
  const clock = new ScaledClock(SPEED);
  const standing = new Standing(clock);
  const metrics = new WatchMetrics(standing);
  const door = await openDoor({ host: '127.0.0.1', port: 0, standing, metrics, releases });
  onTestFinished(() => door[Symbol.asyncDispose]());
  return { door, standing, metrics, clock };
}

/** Watches through a door, and tells `meanwhile` of each state that it comes to. */
async function through(
  releases: Releases,
  announced: AnnouncedReleases | undefined,
  meanwhile: (door: Door, state: string, drain: () => void) => void,
) {
  const { gateway, port } = await testGateway();
  onTestFinished(() => gateway.stop());
  const { door, standing, metrics, clock } = await doorOf(announced);
  let state = '';
  const doing: Promise<void>[] = [];
  const { cells } = await watched({
    clock,
    target: targetOf(`ws://127.0.0.1:${port}/`, { handshake: (took) => metrics.handshake(took) }),
    releases,
    watch(status) {
      standing.watch(status);
      metrics.watch(status);
      if (status.state === state) return;
      state = status.state;
      doing.push(Promise.resolve(meanwhile(door, state, () => gateway.drain('close', 100))));
    },
    observed(event) {
      standing.observe(event);
      metrics.observe(event);
    },
  });
  await Promise.all(doing);
  return { door, cells };
}

const post = (door: Door, path: string, body: object = {}) =>
  ask(door, path, { method: 'POST', body: JSON.stringify(body) });

describe('the door of a watch', () => {
  test('lets a pipeline begin and end its release, and tells it the verdict', async () => {
    const announced = new AnnouncedReleases(1);
    const said: [string, number][] = [];
    const documents: StandingDocument[] = [];
    const { door, cells } = await through(announced, announced, async (there, state, drain) => {
      documents.push(JSON.parse((await ask(there, '/verdict')).text) as StandingDocument);
      if (state === 'calm') said.push(['early begin', (await post(there, '/begin')).status]);
      if (state === 'calm') said.push(['early end', (await post(there, '/end')).status]);
      if (state !== 'ready' || documents.some((one) => one.state === 'releasing')) return;
      said.push(['ready', (await ask(there, '/readyz')).status]);
      said.push(['begin', (await post(there, '/gate/pre-rollout', { name: 'gateway 2.5.0' })).status]);
      said.push(['again', (await post(there, '/begin')).status]);
      drain();
      await new Promise((resolve) => setTimeout(resolve, 1300));
      documents.push(JSON.parse((await ask(there, '/verdict')).text) as StandingDocument);
      said.push(['rollback', (await post(there, '/gate/rollback')).status]);
      said.push(['end', (await post(there, '/gate/post-rollout')).status]);
    });
    expect(said).toEqual([
      ['early begin', 409],
      ['early end', 409],
      ['ready', 200],
      ['begin', 200],
      ['again', 409],
      ['rollback', 200],
      ['end', 200],
    ]);
    expect(documents.find(({ state }) => state === 'connecting')).toMatchObject({
      verdict: 'unknown',
      final: false,
    });
    expect(documents.findLast(({ state }) => state === 'releasing')).toMatchObject({
      verdict: 'fail',
      final: false,
      dropped: 40,
    });
    const last = JSON.parse((await ask(door, '/verdict')).text) as StandingDocument;
    expect(last).toMatchObject({ verdict: 'fail', final: true, state: 'over', release: 'release-1' });
    expect(cells[0]?.result.history.steps).toContainEqual(expect.objectContaining({ name: 'gateway 2.5.0' }));
  });

  test('tells metrics that promtool accepts, without a label a client', async () => {
    const announced = new AnnouncedReleases(1);
    const { door } = await through(announced, announced, (_there, state, drain) => {
      if (state !== 'ready' || !announced.begin('x')) return;
      drain();
      announced.end();
    });
    const { text, headers } = await ask(door, '/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      'onedrop_clients{state="open"} 40',
      'onedrop_drops{cause="closed-by-peer",how="close"} 40',
      'onedrop_clients_dropped{times="1"} 40',
      'onedrop_clients_dropped{times="2+"} 0',
      'onedrop_disconnects_total{how="close"} 40',
      'onedrop_verdict{verdict="fail"} 1',
      'onedrop_away_seconds_count 40',
    ])
      expect(text).toContain(line);
    expect(text).toMatch(/onedrop_handshake_seconds_count 81/);
    expect(text).not.toMatch(/"c\d+"/);
    promtool(['check', 'metrics'], text);
  });

  test('is on loopback, and open to no page of another origin', async () => {
    const { door } = await doorOf();
    expect(new URL(door.url).hostname).toBe('127.0.0.1');
    const refused: Asked[] = [
      { headers: { host: 'evil.example' } },
      { headers: { origin: 'http://evil.example' } },
      { headers: { 'sec-fetch-site': 'cross-site' } },
    ];
    for (const asked of refused)
      for (const path of ['/metrics', '/verdict']) expect((await ask(door, path, asked)).status).toBe(403);
    expect((await ask(door, '/begin', { method: 'POST', headers: { origin: 'null' } })).status).toBe(403);
    const { status, headers } = await ask(door, '/metrics');
    expect(status).toBe(200);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  test.each([
    ['GET', '/', '', 404],
    ['GET', '/gate/rollout', '', 404],
    ['POST', '/gate/nothing', '', 404],
    ['POST', '/gate/rollout', '[1]', 400],
    ['POST', '/gate/rollout', '{', 400],
    ['POST', '/gate/rollout', JSON.stringify({ x: 'y'.repeat(1 << 17) }), 400],
    ['POST', '/begin', '', 409],
    ['GET', '/healthz', '', 200],
    ['GET', '/readyz', '', 503],
  ])('%s %s is answered in order', async (method, path, body, status) => {
    const { door } = await doorOf();
    expect((await ask(door, path, { method, body })).status).toBe(status);
  });
});

describe("a gate answers as Flagger's webhooks want it", () => {
  const standing = (more: Partial<StandingDocument>) =>
    ({ document: () => ({ verdict: 'pass', why: [], state: 'releasing', ...more }) }) as unknown as Standing;

  test.each([
    ['confirm-rollout', { state: 'calm' }, 403],
    ['confirm-rollout', { state: 'ready', verdict: 'unknown' }, 200],
    ['confirm-rollout', { verdict: 'fail' }, 403],
    ['rollout', {}, 200],
    ['rollout', { verdict: 'unknown' }, 200],
    ['rollout', { verdict: 'fail' }, 403],
    ['confirm-promotion', {}, 200],
    ['confirm-promotion', { verdict: 'unknown' }, 403],
    ['rollback', {}, 403],
    ['rollback', { verdict: 'unknown' }, 403],
    ['rollback', { verdict: 'fail' }, 200],
    ['event', {}, 200],
  ] as const)('%s while it is %j: %i', (name, more, status) => {
    expect(gate(`/gate/${name}`, {}, standing(more), undefined)?.status).toBe(status);
  });
});

test('OpenTelemetry gets the same numbers where its environment says where they go', async () => {
  const bodies: string[] = [];
  const collector = createServer((asked, response) => {
    let text = '';
    asked.on('data', (chunk) => {
      text += chunk;
    });
    asked.on('end', () => {
      bodies.push(`${asked.url} ${asked.headers['x-token']} ${text}`);
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void collector.close());
  expect(wantsOtlp({})).toBe(false);
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-token=t',
    OTEL_SERVICE_NAME: 'release-watch',
  };
  expect(wantsOtlp(env)).toBe(true);
  // The exporter reads the process's own.
  Object.assign(process.env, env);
  onTestFinished(() => {
    for (const name of Object.keys(env)) delete process.env[name];
  });
  const { metrics } = await doorOf();
  {
    await using _sent = sendOtlp(metrics, env);
    metrics.handshake(12);
  }
  expect(bodies.length).toBeGreaterThan(0);
  expect(bodies[0]).toMatch(/^\/v1\/metrics t \{/);
  for (const part of ['onedrop.clients', 'onedrop.handshake', '"release-watch"', '0.012'])
    expect(bodies.join()).toContain(part);
});

/** Debian's promtool (package prometheus) reads it, where it is installed. */
function promtool(words: readonly string[], input: string): void {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'pipe' });
  } catch {
    process.stdout.write('door.test.ts: promtool is not installed; what it checks is skipped\n');
    return;
  }
  execFileSync('promtool', words, { input, stdio: ['pipe', 'pipe', 'pipe'] });
}
