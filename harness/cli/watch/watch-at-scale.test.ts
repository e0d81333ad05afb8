import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { CellDocument } from '../../analyses/cell-document.ts';
import type { Event } from '../../contracts/event.ts';
import { onedrop, scratch } from '../cli.fixture.ts';

const GATEWAY = join(import.meta.dirname, '..', '..', 'gateway', 'main.ts');
/** A thousand a minute. */
const SCRAPE_EVERY = 60;
const SCRAPES = 120;

/** The first line that matches, of a process that goes on. */
function line(child: ChildProcess, stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const output = child[stream];
    if (output === null) return reject(new Error(`no ${stream}`));
    createInterface({ input: output }).on('line', (text) => {
      const found = pattern.exec(text);
      if (found !== null) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`it ended with ${code} before it said ${pattern}`)));
  });
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

test('ten thousand clients, a gate, and a thousand scrapes a minute that do not move the lag', async () => {
  const server = spawn(process.execPath, [GATEWAY], {
    env: { ...process.env, PORT: '0', ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void server.kill('SIGKILL'));
  const [, port, admin] = await line(server, 'stdout', /"port":(\d+),"adminPort":(\d+)/);
  const out = join(scratch(), 'run');
  let scraped: [from: number, to: number] = [0, 0];
  let text = '';
  const began = Date.now();
  const {
    code,
    out: said,
    err,
  } = await onedrop(
    [
      ...['watch', `ws://127.0.0.1:${port}/`, '--no-config', '--clients', '10000', '--heartbeat', '10s'],
      ...['--backoff', '5s', '--calm', '8s', '--settle', '0', '--gate', '--listen', '0', '--releases', '1'],
      ...[
        '--version-from',
        'message:/version',
        '--pod-from',
        'message:/pod',
        '--format',
        'json',
        '--out',
        out,
      ],
    ],
    {},
    (child) => {
      void (async () => {
        const [, url] = await line(child, 'stderr', /at (http:\S+)/);
        const post = (path: string) => fetch(new URL(path, url), { method: 'POST' });
        while ((await fetch(new URL('/readyz', url))).status !== 200) await pause(200);
        const from = Date.now();
        for (let scrape = 0; scrape < SCRAPES; scrape++) {
          const response = await fetch(new URL('/metrics', url));
          text = await response.text();
          await pause(Math.max(0, from + (scrape + 1) * SCRAPE_EVERY - Date.now()));
        }
        scraped = [from - began, Date.now() - began];
        await post('/begin');
        await fetch(`http://127.0.0.1:${admin}/drain?over=4000`, { method: 'POST' });
        await pause(6000);
        await post('/end');
      })();
    },
  );
  const [cell] = (JSON.parse(said) as { cells: CellDocument[] }).cells;
  expect(cell, err).toMatchObject({ clients: 10_000, dropped: 10_000, droppedTwice: 0, stillAway: 0 });
  expect(code).toBe(1);
  expect(cell?.why.join()).toMatch(/of the clients were dropped within 10 seconds/);
  expect(text).toContain('onedrop_clients{state="open"} 10000');
  const events = readFileSync(join(out, 'events.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one) as Event);
  const begin = events.find((event) => event.type === 'step' && event.phase === 'release');
  const calm = events.find((event) => event.type === 'step' && event.name === 'calm');
  const took = scraped[1] - scraped[0];
  const lags = (from: number, to: number) =>
    events.flatMap((event) =>
      event.type === 'harness' && event.part === undefined && event.at > from && event.at < to
        ? [event.lag]
        : [],
    );
  const [since, until] = [calm, begin].map((event) =>
    event !== undefined && 'at' in event ? event.at : 0,
  ) as [number, number];
  const [quiet, busy] = [median(lags(since + 1000, until - took - 1000)), median(lags(until - took, until))];
  process.stdout.write(`lag in the median: ${quiet} ms, ${busy} ms with ${SCRAPES} scrapes in ${took} ms\n`);
  expect(busy).toBeLessThanOrEqual(quiet + 100);
}, 240_000);
