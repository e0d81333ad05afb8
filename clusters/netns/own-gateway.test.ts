import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';
import { preflight } from './preflight.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = join(ROOT, 'harness', 'example', 'onedrop.config.ts');

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-own-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const usable = await preflight();
const missing = usable.usable ? undefined : usable.missing.map(({ what }) => what).join('; ');
if (missing !== undefined) process.stdout.write(`own-gateway.test.ts: skipped, ${missing}\n`);

interface Cell {
  readonly id: string;
  readonly dropped: number;
  readonly droppedTwice: number;
  readonly landedOnOld: number;
  readonly unattributed: number;
  readonly allOnV2Millis: number | null;
  readonly verdict: string;
  readonly why: readonly string[];
}

/** A run with 60 clients to its end: its document, and all that it wrote and said. */
async function played(name: string, words: readonly string[]) {
  const directory = join(scratch, name);
  const common = ['--cluster', 'netns', '--clients', '60', '--no-predict', '--backoff', '1m'];
  const args = [join(ROOT, 'harness', 'cli', 'main.ts'), 'scenario', ...words, ...common];
  const child = spawn(process.execPath, [...args, '--format', 'json', '--out', directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, GATEWAY_TOKEN: 'quite-secret-token' },
  });
  const [printed, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  const log = readFileSync(join(directory, 'events.jsonl'), 'utf8');
  const report = readFileSync(join(directory, 'report.html'), 'utf8');
  const { cells, skipped } = JSON.parse(printed) as { cells: Cell[]; skipped: { id: string; why: string }[] };
  return { code, cells, skipped, all: [printed, said, log, report].join('\n'), log };
}

test.skipIf(missing !== undefined)(
  "somebody else's gateway is played: its port, path, subprotocol, token, version header, admin port and signal",
  { timeout: 120_000 },
  async () => {
    const { cells, skipped, all, log } = await played('example', [
      'selector-flip',
      'readiness-fail',
      'handoff',
      ...['--config', EXAMPLE, '--pods', '2', '--drain-over', '1m', '--retire', 'paced'],
    ]);
    expect(cells.map(({ id }) => id)).toEqual(['selector-flip', 'readiness-fail']);
    for (const cell of cells) {
      expect(cell).toMatchObject({ dropped: 60, droppedTwice: 0, landedOnOld: 0, unattributed: 0 });
      expect(cell.allOnV2Millis).toBeGreaterThan(0);
    }
    expect(skipped.map(({ why }) => why)).toEqual([
      expect.stringContaining('played with the built-in one only'),
      expect.stringContaining('played with the built-in one only'),
    ]);
    // Its own close code, told to let its clients go over its own admin port, and ended by its own signal.
    expect(log).toContain('"code":4000');
    expect(log).toContain('POST /let-go?seconds=60');
    expect(log).toContain('"did":"sigterm","why":"SIGUSR2"');
    expect(all).not.toContain('quite-secret-token');
  },
);

test.skipIf(missing !== undefined)(
  'a gateway without an admin port, which greets in its own way and does not say its pod, is played as well',
  { timeout: 120_000 },
  async () => {
    const gateway = join(scratch, 'server.mjs');
    writeFileSync(
      gateway,
      `import { createServer } from 'node:http';
       import { WebSocketServer } from '${join(ROOT, 'node_modules', 'ws', 'wrapper.mjs')}';
       const server = createServer((request, response) => response.end('ready'));
       new WebSocketServer({ server }).on('connection', (client) => {
         client.send('welcome');
         client.send(JSON.stringify({ hello: { release: process.env.VERSION } }));
       });
       server.listen(Number(process.env.PORT));
       console.log('not JSON');
      `,
    );
    const config = join(scratch, 'onedrop.config.ts');
    writeFileSync(
      config,
      `export default {
         gateway: { command: ['${process.execPath}', 'server.mjs'], port: 7000, readyPath: '/' },
         version: { message: '/hello/release' },
       };
      `,
    );
    const { cells, skipped, log } = await played('greeting', [
      ...['rolling-update', 'readiness-fail', '--config', config],
    ]);
    expect(cells).toMatchObject([{ id: 'rolling-update', dropped: 60, landedOnOld: 0, unattributed: 0 }]);
    expect(skipped).toEqual([
      { id: 'readiness-fail', why: expect.stringContaining('names no gateway.admin.failReadiness') },
    ]);
    // Only one pod of each version runs, so that each connection's is known.
    expect(log).not.toContain('unknown v');
  },
);

/** The example's gateway with other commands. */
function variant(name: string, v1: readonly string[], v2: readonly string[]): string {
  const gateway = join(ROOT, 'harness', 'example', 'gateway.main.ts');
  const config = join(scratch, `${name}.config.ts`);
  const command = JSON.stringify({ v1: [...v1, 'node', gateway], v2: [...v2, 'node', gateway] });
  writeFileSync(
    config,
    `export default {
       gateway: { command: ${command}, env: { TOKEN: 't' }, port: 9000, path: '/socket', readyPath: '/healthz',
         admin: { port: 9001 }, drainSignal: 'SIGUSR2' },
       version: { header: 'x-build', match: /^app\\/(.+)$/ }, versions: { v1: '2.4.0', v2: '2.5.0' },
       pod: { header: 'x-served-by' },
       clients: { subprotocols: ['chat.v2'], headers: { authorization: 'Bearer t' } },
     };
    `,
  );
  return config;
}

test.skipIf(missing !== undefined)(
  'a version that cannot start ends its cell with its exit code and last words, which is no fault of the harness',
  { timeout: 120_000 },
  async () => {
    const broken = ['sh', '-c', 'echo the port is taken >&2; exit 3'];
    const config = variant('broken', ['env', 'BUILD=2.4.0'], broken);
    const { code, cells } = await played('broken', ['rolling-update', '--config', config]);
    expect(code).toBe(2);
    expect(cells).toMatchObject([
      {
        verdict: 'unknown',
        why: [expect.stringMatching(/cannot start: .* exit code 3, last words: the port is taken/)],
      },
    ]);
  },
);

test.skipIf(missing !== undefined)(
  'a gateway that says a version that is neither makes its cell unknown, with what it said',
  { timeout: 120_000 },
  async () => {
    const config = variant('other', ['env', 'BUILD=2.4.0'], ['env', 'BUILD=9.2.4.0']);
    const { code, cells } = await played('other', ['rolling-update', '--config', config]);
    expect(code).toBe(2);
    expect(cells[0]?.why).toContainEqual(
      expect.stringContaining('"9.2.4.0", which is neither "2.4.0" (v1) nor "2.5.0" (v2)'),
    );
  },
);
