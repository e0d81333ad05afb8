import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ScaledClock } from '../time/scaled-clock.ts';
import type { Checked } from './check-server.ts';
import { checkServer } from './check-server.ts';
import { checkText, judgeCheck } from './judge-check.ts';
import { startImage, startProcess } from './server.ts';

const GATEWAY = join(import.meta.dirname, '..', 'gateway', 'main.ts');
const WS = join(import.meta.dirname, '..', '..', 'node_modules', 'ws', 'wrapper.mjs');
/** Has no handler for SIGTERM at all. */
const DEAF = `import { WebSocketServer } from '${WS}'; new WebSocketServer({ port: Number(process.env.PORT) });`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

const SPEECH = {
  gateway: { path: '/' },
  versions: { v1: 'v1', v2: 'v2' },
  clients: { headers: {}, subprotocols: [] },
};

async function checked(words: readonly string[], env: NodeJS.ProcessEnv = {}, within = 1000) {
  const clock = new ScaledClock(1);
  await using server = await startProcess(words, {
    port: await freePort(),
    cwd: import.meta.dirname,
    env: { PATH: process.env.PATH, ADMIN_PORT: '0', ...env },
    clock,
  });
  const seen = await checkServer(server, {
    clock,
    speech: SPEECH,
    connections: 10,
    startWithin: 20_000,
    within,
  });
  const report = judgeCheck(seen, words);
  const lines = Object.fromEntries(
    report.lines.map(({ name, outcome, says }) => [name, [outcome, says] as const]),
  );
  return { report, lines, isFirst: seen.isFirst };
}

const node = (...words: string[]) => [process.execPath, ...words];

describe('a server that gets SIGTERM', () => {
  test('closes everybody with a code that says come again, and ends', async () => {
    const { report, lines } = await checked(node(GATEWAY), { DRAIN: 'close-all' }, 5000);
    expect(lines['closes its connections']).toEqual([
      'pass',
      expect.stringMatching(/all 10 were closed, 10 with 1012/),
    ]);
    expect(lines.ends?.[0]).toBe('pass');
    expect(report).toMatchObject({ verdict: 'pass', predictWith: '--drain close-all' });
  });

  test('cuts everybody off', async () => {
    const { report, lines } = await checked(node(GATEWAY), { DRAIN: 'abrupt' }, 5000);
    expect(lines['closes its connections']?.[1]).toMatch(
      /10 of 10 connections were cut without a close frame/,
    );
    expect(report).toMatchObject({ verdict: 'fail', predictWith: '--drain abrupt' });
  });

  test('drains for longer than is looked, and takes new connections meanwhile', async () => {
    const { lines } = await checked(node(GATEWAY), { DRAIN: 'paced', DRAIN_OVER: '9000' });
    expect(lines['closes its connections']?.[1]).toMatch(/of 10 connections were still open after/);
    expect(lines['what newcomers meet']?.[1]).toMatch(/takes new connections until/);
    expect(lines.ends?.[1]).toMatch(/had not ended 1s after SIGTERM/);
    expect(lines['is process 1']).toBeUndefined();
  });

  test('never gets it, because it is process 1 and has no handler', async () => {
    const { lines, isFirst } = await checked(node('--input-type=module', '-e', DEAF));
    if (!isFirst) return;
    expect(lines['is process 1']).toEqual(['fail', expect.stringMatching(/no handler for SIGTERM/)]);
  });

  test('never gets it, because a shell is process 1; with exec it does', async () => {
    const line = `"${process.execPath}" "${GATEWAY}"`;
    const shell = await checked(['sh', '-c', `${line}; true`]);
    if (!shell.isFirst) return;
    expect(shell.lines['is process 1']?.[1]).toMatch(/went to sh as process 1, .* write exec before it/);
    const replaced = await checked(['sh', '-c', `exec ${line}`], {}, 5000);
    expect(replaced.report.verdict).toBe('pass');
  });
});

test.each([
  [
    node('-e', 'console.error("no config"); process.exit(3)'),
    /ended by itself \(exit code 3\); it said: no config/,
  ],
  [node('-e', 'setInterval(() => {}, 1e6)'), /nothing listens on port \d+ after 1s/],
  [
    node('-e', 'require("node:http").createServer((_, r) => r.end()).listen(process.env.PORT)'),
    /a connection did not open: /,
  ],
])('a server that cannot be checked says why: %#', async (words, why) => {
  const clock = new ScaledClock(1);
  const env = { PATH: process.env.PATH };
  await using server = await startProcess(words, { port: await freePort(), cwd: '/', env, clock });
  const options = { clock, speech: SPEECH, connections: 2, startWithin: 1000, within: 500 };
  await expect(checkServer(server, options)).rejects.toThrow(why);
});

describe('what was seen', () => {
  const close = (code: number) => ({ ending: { how: 'close' as const, code, reason: '' }, at: 20 });
  const seen = (more: Partial<Checked>): Checked => ({
    isFirst: true,
    handlesTerm: true,
    connections: [close(1001)],
    attempts: [],
    exit: { at: 30, code: 0, signal: null },
    within: 5000,
    ...more,
  });

  test.each([
    [{}, 'pass', /all 1 were closed, 1 with 1001/],
    [{ connections: [close(1000)] }, 'fail', /1000 does not tell a client to come again/],
    [{ connections: [close(4000)] }, 'pass', /1 with 4000/],
    [
      { connections: [{ ending: undefined, at: undefined }], exit: undefined },
      'fail',
      /none of 1 connections was closed/,
    ],
    [{ exit: { at: 9, code: 1, signal: null } }, 'fail', /exit code 1/],
    [{ exit: { at: 9, code: 143, signal: null } }, 'pass', /exit code 143/],
    [{ exit: { at: 9, code: null, signal: 'SIGTERM' } }, 'pass', /by SIGTERM itself/],
    [
      { attempts: [{ at: 100, opened: true, ending: { how: 'reset' } }] },
      'fail',
      /cuts 1 of 1 without a close frame/,
    ],
    [
      { attempts: [{ at: 100, opened: true, ending: close(1001).ending }] },
      'pass',
      /1 of 1 were told to go again/,
    ],
    [
      { handlesTerm: undefined, exit: undefined, connections: [{ ending: undefined, at: undefined }] },
      'fail',
      /nothing at all happened/,
    ],
    [{ isFirst: false }, 'pass', /was not tried here/],
  ] as [Partial<Checked>, string, RegExp][])('%j is a %s', (more, verdict, says) => {
    const report = judgeCheck(seen(more));
    expect(report.verdict).toBe(verdict);
    expect(checkText(report)).toMatch(says);
  });
});

test('an image is run, asked to end and removed with Docker', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-docker-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, 'log');
  writeFileSync(
    join(folder, 'docker'),
    `#!/bin/sh\necho "$@" >> ${log}\ncase "$1" in run) echo abc;; port) echo 127.0.0.1:4711;; wait) echo 0;; esac\n`,
  );
  chmodSync(join(folder, 'docker'), 0o755);
  const env = { PATH: `${folder}:${process.env.PATH}` };
  const server = await startImage('gateway:1', { port: 8080, clock: new ScaledClock(1), env });
  expect(server.port).toBe(4711);
  await server.terminate();
  expect(await server.exited).toMatchObject({ code: 0 });
  await server[Symbol.asyncDispose]();
  const { readFileSync } = await import('node:fs');
  expect(readFileSync(log, 'utf8').split('\n')).toEqual(
    expect.arrayContaining([
      'run --detach --publish 127.0.0.1:0:8080 --env PORT=8080 gateway:1',
      'kill --signal TERM abc',
      'rm --force --volumes abc',
    ]),
  );
});
