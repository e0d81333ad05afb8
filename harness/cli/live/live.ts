import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PlannedCell } from '../../run/plan.ts';
import type { RunAudience } from '../../run/run.ts';
import { ScaledClock } from '../../time/scaled-clock.ts';

/** A page that updates while a run goes on. */
export interface LivePage extends AsyncDisposable {
  readonly url: string;
  readonly audience: RunAudience;
}

/** One line of server-sent events. */
type Message =
  | {
      readonly type: 'begin';
      readonly id: string;
      readonly cluster: string;
      readonly index: number;
      readonly of: number;
      readonly predicting: boolean;
    }
  | {
      readonly type: 'watch';
      readonly id: string;
      readonly now: number;
      readonly step: string;
      readonly clients: number;
      readonly open: number;
      readonly away: number;
      readonly versions: Readonly<Record<string, number>>;
    }
  | { readonly type: 'end'; readonly id: string; readonly outcome: string }
  | { readonly type: 'skipped'; readonly id: string; readonly why: string };

/** Real milliseconds between two updates of the page. */
const PERIOD = 200;

/** Real milliseconds that pages have, at the end, to read the last that is said. */
const FAREWELL = 200;

/**
 * Serves the live page on a port of loopback, 0 for any free one. Everything said so far of the cells that go on is told
 * again to whoever opens the page later.
 */
export async function serveLive(port: number): Promise<LivePage> {
  const wall = new ScaledClock(1);
  const page = readFileSync(join(import.meta.dirname, 'live.html'));
  const listeners = new Set<ServerResponse>();
  let told: { readonly message: Message; readonly line: string }[] = [];
  /** When each cell was last told of. */
  const watched = new Map<string, number>();
  const tell = (message: Message) => {
    const line = `data: ${JSON.stringify(message)}\n\n`;
    if (message.type === 'begin' || message.type === 'end')
      told = told.filter(({ message: said }) => said.type !== 'watch' || said.id !== message.id);
    told.push({ message, line });
    for (const listener of listeners) listener.write(line);
  };
  const server = createServer((request, response) => {
    // Only this machine's own names: another page's script must not read it by DNS rebinding.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '')) {
      response.writeHead(403).end();
    } else if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(told.map(({ line }) => line).join(''));
      listeners.add(response);
      response.on('close', () => listeners.delete(response));
    } else if (request.url === '/') {
      response.writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy':
          "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
      });
      response.end(page);
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    audience: {
      begin(cell: PlannedCell, { index, of, predicting }) {
        tell({ type: 'begin', id: cell.id, cluster: cell.provider.name, index, of, predicting });
      },
      watch({ id }, { now, step, counts }) {
        const real = wall.now();
        if (real - (watched.get(id) ?? -PERIOD) < PERIOD || counts === undefined) return;
        watched.set(id, real);
        const { clients, open, away, byVersion } = counts;
        tell({ type: 'watch', id, now, step, clients, open, away, versions: Object.fromEntries(byVersion) });
      },
      end: (cell, { outcome }) => tell({ type: 'end', id: cell.id, outcome }),
      skipped: (cell) => tell({ type: 'skipped', id: cell.id, why: cell.skip ?? '' }),
    },
    async [Symbol.asyncDispose]() {
      for (const listener of listeners) listener.end();
      const closed = new Promise((resolve) => server.close(resolve));
      // Whoever opened a connection and says nothing, or reads nothing, would keep the process alive for good.
      await Promise.race([closed, wall.sleep(FAREWELL)]);
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Several audiences as one. */
export const together = (...audiences: RunAudience[]): RunAudience => ({
  begin: (...words) => audiences.forEach((one) => void one.begin(...words)),
  watch: (...words) => audiences.forEach((one) => void one.watch(...words)),
  end: (...words) => audiences.forEach((one) => void one.end(...words)),
  skipped: (...words) => audiences.forEach((one) => void one.skipped(...words)),
});
