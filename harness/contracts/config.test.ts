import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../config/load-config.ts';
import { UsageError } from '../errors.ts';
import { type ConfigInput, readConfig } from './config.ts';

const EXAMPLE = join(import.meta.dirname, '..', 'example', 'onedrop.config.ts');
const scratch = mkdtempSync(join(tmpdir(), 'onedrop-config-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const least: ConfigInput = {
  gateway: { command: ['node', 'server.js'], port: 9000, readyPath: '/ready' },
  version: { header: 'x-version' },
};

function mistakesOf(value: unknown): readonly string[] {
  try {
    readConfig(value, 'onedrop.config.ts');
  } catch (error) {
    if (error instanceof UsageError) return error.mistakes;
    throw error;
  }
  return [];
}

test('a short configuration has a default for everything else', () => {
  expect(readConfig(least, 'x')).toEqual({
    gateway: {
      command: ['node', 'server.js'],
      env: {},
      port: 9000,
      path: '/',
      readyPath: '/ready',
      drainSignal: 'SIGTERM',
    },
    version: { header: 'x-version' },
    versions: { v1: 'v1', v2: 'v2' },
    clients: { subprotocols: [], headers: {} },
  });
});

test('all mistakes are told at once, each with its field and what is allowed', () => {
  expect(
    mistakesOf({
      gateway: { port: 0, prot: 1, admin: { port: 1, failReadiness: '/x' }, drainSignal: 'SIGKILL' },
      version: { heder: 'x' },
      versions: { v1: 'same', v2: 'same' },
      asks: { message: '/type' },
      clients: {
        backoff: '5 minutes',
        heartbeat: '0s',
        headers: { 'two words': 'x', fine: 'broken\nin two' },
      },
    }),
  ).toEqual([
    'onedrop.config.ts: gateway.port: must be a port from 1 to 65535',
    'onedrop.config.ts: gateway.readyPath: is missing',
    'onedrop.config.ts: gateway.admin: failReadiness and restoreReadiness go together',
    expect.stringMatching(/gateway\.drainSignal: .*SIGTERM/),
    'onedrop.config.ts: gateway: Unrecognized key: "prot"',
    expect.stringMatching(/gateway: needs a command .*, an image or a chart/),
    'onedrop.config.ts: version: must be { header: NAME, match?: /.../ } or { message: JSON pointer or /.../ }',
    'onedrop.config.ts: versions: must differ, or nobody can tell them apart',
    'onedrop.config.ts: asks: must be { message: /.../ } or { message: JSON pointer, equals: TEXT }',
    expect.stringContaining("clients.backoff: '5 minutes' is not a duration"),
    'onedrop.config.ts: clients.heartbeat: must lie between 1s and 12h',
    expect.stringContaining('clients.headers.two words'),
    'onedrop.config.ts: clients.headers.fine: must hold nothing that a header cannot',
  ]);
});

test("a chart's values are for both versions, or for each", () => {
  const chart = (values: object) =>
    readConfig({ ...least, gateway: { ...least.gateway, chart: { name: './chart', values } } }, 'x').gateway
      .chart?.values;
  const tag = (name: string) => ({ image: { tag: name } });
  expect(chart(tag('1'))).toEqual({ v1: tag('1'), v2: tag('1') });
  expect(chart({ v1: tag('1'), v2: tag('2') })).toEqual({ v1: tag('1'), v2: tag('2') });
  const told = mistakesOf({
    ...least,
    gateway: { ...least.gateway, chart: { name: '--set', values: { v1: {} } } },
  });
  expect(told).toEqual([
    'onedrop.config.ts: gateway.chart.name: must not begin with -',
    expect.stringContaining(
      "gateway.chart.values: must be the chart's values, or { v1: values, v2: values }",
    ),
  ]);
});

test('no mistake shows the value of a header', () => {
  const told = mistakesOf({
    ...least,
    clients: { headers: { authorization: ['s3cret'], cookie: 's3cret\n' } },
  });
  expect(told).toHaveLength(2);
  expect(told.join()).not.toContain('s3cret');
});

test('a configuration that is no object, or missing, is told so', () => {
  expect(mistakesOf(7)).toEqual(['onedrop.config.ts: Invalid input: expected object, received number']);
  expect(mistakesOf({})).toEqual([
    'onedrop.config.ts: gateway: is missing',
    expect.stringContaining('version: must be'),
  ]);
});

test('the example loads, with its folder as the directory of its command', async () => {
  const loaded = await loadConfig(EXAMPLE, ['/']);
  expect(loaded?.file).toBe(EXAMPLE);
  expect(loaded?.config.gateway).toMatchObject({
    directory: join(import.meta.dirname, '..', 'example'),
    port: 9000,
    path: '/socket',
    drainSignal: 'SIGUSR2',
  });
});

test('the README of one’s own gateway shows the example as it is', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'config', 'README.md'), 'utf8');
  expect(readme).toContain(`\`\`\`ts\n${readFileSync(EXAMPLE, 'utf8')}\`\`\``);
});

test('without --config the first folder that has one counts, and none is no mistake', async () => {
  expect(await loadConfig(undefined, [scratch])).toBeUndefined();
  const found = await loadConfig(undefined, [scratch, join(import.meta.dirname, '..', 'example')]);
  expect(found?.file).toBe(EXAMPLE);
});

test('a file that is not there, breaks, or exports nothing is told so', async () => {
  const broken = join(scratch, 'broken.config.ts');
  writeFileSync(broken, 'throw new Error("no token");\n');
  const empty = join(scratch, 'empty.config.ts');
  writeFileSync(empty, 'export const config = {};\n');
  const told = (file: string) =>
    loadConfig(file, [scratch]).then(
      () => [],
      (error: UsageError) => error.mistakes,
    );
  expect(await told('none.ts')).toEqual(['--config none.ts: there is no such file']);
  expect(await told('broken.config.ts')).toEqual([`${broken}: cannot be loaded: no token`]);
  expect(await told(empty)).toEqual([expect.stringContaining('has no default export')]);
});
