import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { PlannedCell } from '../../run/plan.ts';
import { serveLive } from './live.ts';

const cell = { id: 'selector-flip', provider: { name: 'sim' } } as PlannedCell;

function get(url: string, host?: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: host === undefined ? {} : { host } }, (response) => {
      let body = '';
      const done = () => resolve({ status: response.statusCode ?? 0, body });
      response.on('data', (chunk: Buffer) => {
        body += chunk;
        // An event stream never ends by itself.
        if (url.endsWith('/events')) response.destroy();
      });
      response.on('close', done);
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function page() {
  const live = await serveLive(0);
  onTestFinished(() => live[Symbol.asyncDispose]());
  return live;
}

test('whoever opens the page late is told of the cells before, and events follow as they happen', async () => {
  const live = await page();
  live.audience.begin(cell, { index: 0, of: 2, predicting: false });
  live.audience.end(cell, { outcome: 'finished' });
  live.audience.begin({ ...cell, id: '</script>' }, { index: 1, of: 2, predicting: false });
  const { body } = await get(`${live.url}events`);
  const events = body
    .split('\n\n')
    .filter((part) => part !== '')
    .map((part) => JSON.parse(part.replace(/^data: /, '')) as { type: string; id: string });
  expect(events.map(({ type, id }) => [type, id])).toEqual([
    ['begin', 'selector-flip'],
    ['end', 'selector-flip'],
    ['begin', '</script>'],
  ]);
});

test('the page is served on loopback only, and not to a page of another name', async () => {
  const live = await page();
  expect(new URL(live.url).hostname).toBe('127.0.0.1');
  expect((await get(live.url)).body).toContain('<title>onedrop: running</title>');
  expect((await get(live.url, 'evil.example')).status).toBe(403);
  expect((await get(`${live.url}../etc/passwd`)).status).toBe(404);
});

test('connections that say nothing, half of a request, or read nothing end with the page', async () => {
  const live = await serveLive(0);
  const sockets = ['', 'GET / HTTP/1.1\r\nHos', 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'].map(
    (said) => {
      const socket = connect({
        port: Number(new URL(live.url).port),
        host: '127.0.0.1',
        allowHalfOpen: true,
      });
      socket.write(said);
      socket.on('error', () => {});
      return socket;
    },
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await live[Symbol.asyncDispose]();
  for (const socket of sockets) socket.destroy();
  await expect(get(live.url)).rejects.toThrow('ECONNREFUSED');
});
