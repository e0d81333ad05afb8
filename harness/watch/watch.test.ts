import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UsageError } from '../errors.ts';
import { AnnouncedReleases, type Releases, WatchedTime } from './releases.ts';
import { type Logged, targetOf, testGateway, watched } from './watch.fixture.ts';

/** A release that is done by a function. */
function act(what: () => Promise<void> | void, failed?: string): Releases {
  let begun = false;
  return {
    isWaiting: false,
    async next() {
      if (begun) return undefined;
      begun = true;
      return {
        name: 'the release',
        over: Promise.resolve(what()).then(() => (failed === undefined ? {} : { failed })),
      };
    },
  };
}

const local = (port: number) => `ws://127.0.0.1:${port}/`;
const sleep = (real: number) => new Promise<void>((resolve) => setTimeout(resolve, real));
const only = (cells: readonly Logged[]): Logged => cells[0] as Logged;

async function gateway(options: Parameters<typeof testGateway>[0] = {}) {
  const { gateway, port } = await testGateway(options);
  onTestFinished(() => gateway.stop());
  return { gateway, port };
}

describe('watching a release', () => {
  test('finds who it dropped, in a log that the usual analyses read', async () => {
    const { gateway: server, port } = await gateway();
    const { outcome, cells } = await watched({
      target: targetOf(local(port)),
      releases: act(() => server.drain('close', 100)),
    });
    expect(outcome).toBe('finished');
    expect(cells).toHaveLength(1);
    const { header, result } = only(cells);
    expect(header).toMatchObject({ kind: 'watch', sees: 'sockets', evidence: 'measured', cluster: 'yours' });
    expect(result.document).toMatchObject({
      clients: 40,
      dropped: 40,
      droppedTwice: 0,
      closed: 40,
      inferred: 40,
      unattributed: 0,
      collateral: 0,
      stillAway: 0,
      controlClients: 0,
      verdict: 'fail',
      background: { disconnects: 0 },
    });
    expect(result.document.why).toEqual([
      '100 % of the clients were dropped within 10 seconds, more than 50 %',
    ]);
    expect(new Set(result.ledger.rows.map(({ cause }) => cause))).toEqual(new Set(['closed-by-peer']));
  });

  test('passes one that drops nobody', async () => {
    const { port } = await gateway();
    const { cells } = await watched({ target: targetOf(local(port)), releases: act(() => {}) });
    expect(cells[0]?.result.document).toMatchObject({ dropped: 0, verdict: 'pass' });
  });

  test('tells what was lost before it as background, with a rate, and counts it nowhere', async () => {
    const { gateway: server, port } = await gateway();
    let calm = 0;
    const { cells } = await watched({
      target: targetOf(local(port)),
      calm: 10_000,
      watch: ({ state }) => {
        if (state === 'calm' && calm++ === 0) server.drain('close', 0);
      },
      releases: act(() => sleep(1000)),
    });
    const { document } = only(cells).result;
    expect(document).toMatchObject({ dropped: 0, disconnects: 0, lossIn10SecondsShare: 0, verdict: 'pass' });
    expect(document.background?.disconnects).toBe(40);
    expect(document.background?.perThousandAnHour).toBeGreaterThan(1000);
    expect(document.why.join()).toMatch(/40 connections lost in \d+(\.\d+)?s before the release began/);
  });

  test('whose command fails ends as unknown, with the drops that it caused', async () => {
    const { gateway: server, port } = await gateway();
    const { outcome, cells } = await watched({
      target: targetOf(local(port)),
      releases: act(() => server.drain('close', 1500), 'it ended with exit code 1'),
    });
    expect(outcome).toBe('finished');
    expect(cells[0]?.result.document).toMatchObject({ dropped: 40, verdict: 'unknown' });
    expect(cells[0]?.result.document.why.join()).toMatch(
      /the release failed: the release: it ended with exit code 1/,
    );
  });

  test('whose server dies for good says that nobody came back', async () => {
    const { gateway: server, port } = await gateway();
    const { cells } = await watched({
      target: targetOf(local(port)),
      patience: 20_000,
      releases: act(() => server.stop()),
    });
    const { document, ledger } = only(cells).result;
    expect(document).toMatchObject({ dropped: 40, stillAway: 40, verdict: 'fail' });
    expect(document.refusedAttempts).toBeGreaterThan(40);
    for (const { cause } of ledger.rows) expect(['ended-by-peer', 'reset-on-the-way']).toContain(cause);
  });

  test('that cannot even connect says why, and is unknown', async () => {
    const { cells } = await watched({ target: targetOf('ws://127.0.0.1:1/'), releases: act(() => {}) });
    expect(cells[0]?.result.document).toMatchObject({ clients: 0, verdict: 'unknown' });
    expect(cells[0]?.result.document.why.join()).toMatch(/did not open: ECONNREFUSED/);
  });

  test('whose name stands for no address says so, and is unknown', async () => {
    const resolve = async () => Promise.reject(new Error('ENOTFOUND'));
    const target = targetOf('ws://nowhere.test/', { resolve });
    const { outcome, cells } = await watched({ target, releases: act(() => {}) });
    expect(outcome).toBe('finished');
    expect(only(cells).result.document.why.join()).toMatch(/nowhere.test stands for no address: ENOTFOUND/);
  });

  test('on a cluster that cannot be looked at is told before anything begins', async () => {
    const { port } = await gateway();
    const observe = async () => Promise.reject(new UsageError(['no such Service']));
    const asked = watched({ target: targetOf(local(port)), releases: act(() => {}), observe });
    await expect(asked).rejects.toThrow('no such Service');
  });

  test('of which none comes is unknown: there was only background', async () => {
    const { port } = await gateway();
    const stop = new AbortController();
    const { cells } = await watched({
      target: targetOf(local(port)),
      releases: new AnnouncedReleases(),
      stop: stop.signal,
      watch: ({ state }) => {
        if (state === 'ready') stop.abort();
      },
    });
    expect(cells[0]?.result.document).toMatchObject({ dropped: 0, verdict: 'unknown' });
    expect(cells[0]?.result.document.why.join()).toMatch(/no release was seen/);
  });

  test('that nobody announces is all the time until it is stopped', async () => {
    const { gateway: server, port } = await gateway();
    const stop = new AbortController();
    const { cells } = await watched({
      target: targetOf(local(port)),
      releases: new WatchedTime(),
      stop: stop.signal,
      watch: ({ state, step }) => {
        if (state !== 'releasing' || step !== 'watched') return;
        server.drain('close', 1500);
        stop.abort();
      },
    });
    expect(cells).toHaveLength(1);
    expect(cells[0]?.result.document).toMatchObject({ dropped: 40, droppedTwice: 0 });
  });
});

test('two releases in a row are a cell each, and the second begins with all that stands', async () => {
  const { gateway: server, port } = await gateway();
  const releases = new AnnouncedReleases(2);
  let begun = 0;
  const { cells } = await watched({
    target: targetOf(local(port)),
    releases,
    watch: ({ state }) => {
      if (state !== 'ready' || releases.isUnderWay) return;
      begun++;
      if (begun === 1) {
        releases.begin('2.4.1');
        server.drain('close', 0);
        setTimeout(() => releases.end(), 50);
      } else if (begun === 2) {
        // What is lost between two releases is the second one's background.
        server.drain('close', 0);
        setTimeout(() => {
          releases.begin('2.5.0');
          releases.end();
        }, 400);
      }
    },
  });
  expect(cells.map(({ header }) => header.id)).toEqual(['release-1', 'release-2']);
  const [first, second] = cells as [(typeof cells)[0], (typeof cells)[0]];
  expect(first.result.document).toMatchObject({ clients: 40, dropped: 40, stillAway: 0 });
  expect(second.result.document).toMatchObject({ clients: 40, dropped: 0, verdict: 'pass' });
  expect(second.result.document.background?.disconnects).toBe(40);
  expect(second.result.history.steps.map(({ name }) => name)).toContain('2.5.0');
  expect(Math.min(...second.events.flatMap((event) => ('at' in event ? [event.at] : [])))).toBe(0);
});

describe('the way to a gateway', () => {
  test('is IPv6 as well as IPv4, each address of a name in turn', async () => {
    const { gateway: server, port } = await gateway();
    const seen = new Map<string, number>();
    server.webSockets.on('connection', (_socket, { socket }) => {
      const family = socket.remoteAddress === '::1' ? 'IPv6' : 'IPv4';
      seen.set(family, (seen.get(family) ?? 0) + 1);
    });
    const { cells } = await watched({
      target: targetOf(`ws://gateway.test:${port}/`, { resolve: async () => ['127.0.0.1', '::1'] }),
      releases: act(() => {}),
    });
    expect(cells[0]?.header.facts.addresses).toBe('127.0.0.1, ::1');
    expect(seen.get('IPv6')).toBeGreaterThanOrEqual(20);
    expect(seen.get('IPv4')).toBeGreaterThanOrEqual(20);
  });

  test('is an IPv6 address in the url', async () => {
    const { port } = await gateway();
    const { cells } = await watched({ target: targetOf(`ws://[::1]:${port}/`), releases: act(() => {}) });
    expect(cells[0]?.result.document).toMatchObject({ clients: 40, verdict: 'pass' });
  });

  test('is TLS, with an authority of one’s own; a certificate that it did not sign is refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'onedrop-tls-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = (name: string) => join(folder, name);
    execFileSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-subj', '/CN=gateway.test', '-addext', 'subjectAltName=DNS:gateway.test'],
        ...['-keyout', file('key.pem'), '-out', file('cert.pem')],
      ],
      { stdio: 'ignore' },
    );
    const [key, cert] = [readFileSync(file('key.pem'), 'utf8'), readFileSync(file('cert.pem'), 'utf8')];
    const { gateway: inside } = await gateway();
    const server = createServer({ key, cert });
    server.on('upgrade', (request, socket, head) =>
      inside.webSockets.handleUpgrade(request, socket, head, (client) =>
        inside.webSockets.emit('connection', client, request),
      ),
    );
    await new Promise<void>((resolve) => server.listen(0, resolve));
    onTestFinished(() => void server.close());
    const url = `wss://gateway.test:${(server.address() as AddressInfo).port}/`;
    const trusting = await watched({ target: targetOf(url, { tls: { ca: cert } }), releases: act(() => {}) });
    expect(trusting.cells[0]?.result.document).toMatchObject({ clients: 40, verdict: 'pass' });
    const strange = await watched({ target: targetOf(url), releases: act(() => {}) });
    expect(strange.cells[0]?.result.document.why.join()).toMatch(/did not open: (DEPTH_ZERO_)?SELF_SIGNED/);
    const careless = await watched({
      target: targetOf(url, { tls: { verify: false } }),
      releases: act(() => {}),
    });
    expect(careless.cells[0]?.result.document.verdict).toBe('pass');
  });
});
