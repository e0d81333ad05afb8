/**
 * A gateway as somebody else would write it, for `onedrop.config.ts` beside it: version and pod stand in headers of the
 * handshake, clients are greeted with nothing, only those with the right token and subprotocol are let in, and SIGUSR2
 * is what asks it to end. Its admin port tells it to be not ready, ready again, or to let its clients go.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';

const { BUILD = '2.4.0', PORT = '9000', ADMIN_PORT = '9001', POD_NAME = 'pod', TOKEN = '' } = process.env;
/** Model seconds a real one: this gateway's own waits are as much shorter as the rest of a scaled run. */
const speed = Number(process.env.TIME_SCALE ?? 1);
const clients = new Set<WebSocket>();
let healthy = true;

const sockets = new WebSocketServer({
  port: Number(PORT),
  path: '/socket',
  backlog: 4096,
  handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  verifyClient: ({ req }: { req: IncomingMessage }) => req.headers.authorization === `Bearer ${TOKEN}`,
});
sockets.on('headers', (headers) => headers.push(`x-build: app/${BUILD}`, `x-served-by: ${POD_NAME}`));
sockets.on('connection', (client) => {
  clients.add(client);
  client.on('error', () => {});
  client.on('close', () => clients.delete(client));
});

/** Closes all connections, evenly over some seconds. */
async function letGo(seconds: number): Promise<void> {
  const leaving = [...clients];
  const pause = (1000 * seconds) / speed / Math.max(1, leaving.length);
  let due = 0;
  for (const client of leaving) {
    client.close(4000, 'please come again');
    // A timer is never shorter than a millisecond.
    due += pause;
    if (due < 1) continue;
    await wait(due);
    due = 0;
  }
}

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://admin');
  let status = 200;
  if (pathname === '/healthz') status = healthy ? 200 : 503;
  else if (pathname === '/unhealthy' || pathname === '/healthy') healthy = pathname === '/healthy';
  else if (pathname === '/let-go') void letGo(Number(searchParams.get('seconds')));
  else status = 404;
  response.writeHead(status).end();
}).listen(Number(ADMIN_PORT));

process.on('SIGUSR2', async () => {
  await letGo(0);
  process.exit(0);
});
