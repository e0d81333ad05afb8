import { connect, createServer } from 'node:net';
import { NotReachedError } from '../../harness/errors.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { start } from '../command.ts';
import { commandOwnedBy, ownedEnvironment } from '../kubernetes/lease/owned-command.ts';
import { GcloudCommands } from './gcloud-commands.ts';
import type { GkeOptions } from './gke-options.ts';

/** A machine that has just been created needs half a minute until its sshd listens. */
const LIMIT: Millis = 180_000;
const AGAIN_AFTER: Millis = 3000;

/** A machine of Google's that clients' connections leave from. */
export interface ClientVm extends AsyncDisposable {
  /** The local end of it. */
  readonly proxy: string;
}

/**
 * Creates a machine beside the cluster, not in it, and a SOCKS proxy whose connections leave from there. It deletes
 * itself when the time to live is over. What comes back through ssh has lost the difference between a reset and a FIN.
 * @throws NotReachedError when no tunnel stands after three minutes.
 */
export async function createClientVm(
  name: string,
  zone: string,
  options: GkeOptions,
  around: {
    readonly labels: Readonly<Record<string, string>>;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<ClientVm> {
  const { labels, clock, signal } = around;
  const commands = new GcloudCommands(options);
  const run = commandOwnedBy(name);
  await using made = new AsyncDisposableStack();
  made.defer(async () => {
    await run('gcloud', commands.deleteLeft({ group: 'instances', name, location: { zone } }));
  });
  await run('gcloud', commands.createVm(name, zone, labels, options['time-to-live']), { signal });
  const port = await freePort();
  const deadline = clock.now() + LIMIT;
  for (;;) {
    const tunnel = made.use(openTunnel(name, commands.socks(name, zone, port)));
    while (!tunnel.ended() && !(await accepts(port)) && clock.now() < deadline)
      await clock.sleep(AGAIN_AFTER, signal);
    if (await accepts(port)) break;
    if (clock.now() >= deadline)
      throw new NotReachedError(
        `no ssh tunnel to ${name} stands: ${['gcloud', ...commands.socks(name, zone, port)].join(' ')}`,
      );
  }
  const parts = made.move();
  return { proxy: `socks5h://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** gcloud starts ssh as a child: both are of one process group, which ends as one. */
function openTunnel(lease: string, words: readonly string[]): Disposable & { ended(): boolean } {
  const child = start('gcloud', words, { stdio: 'ignore', env: ownedEnvironment(lease) });
  let ended = false;
  child.on('error', () => {
    ended = true;
  });
  child.on('exit', () => {
    ended = true;
  });
  return {
    ended: () => ended,
    [Symbol.dispose]() {
      if (!ended && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    },
  };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const tell = (open: boolean) => () => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', tell(true)).once('error', tell(false));
  });
