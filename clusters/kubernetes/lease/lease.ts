import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Who runs this, for what outlives a process: `user@host`. */
export const owner = (): string => `${userInfo().username}@${hostname()}`;

/** Whether the run that holds a lease still lives; `unknown` where this machine knows no such lease. */
export type Holder = 'alive' | 'dead' | 'unknown';

/** This user's leases; nobody else may write here, or a lease could be made to look alive. */
export function leaseDirectory(): string {
  const directory = join(tmpdir(), `onedrop-${userInfo().username}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

const socketPath = (name: string) => join(leaseDirectory(), `${name}.lease`);

/**
 * Says for as long as this process lives that whatever is called `name` is in use. The lease is a local socket that
 * listens: however the process ends, `kill -9` included, the kernel stops listening, and no process number that
 * could be given to another has to be believed. Taken before the first thing of that name is created.
 */
export async function takeLease(name: string): Promise<AsyncDisposable> {
  // Answering is the whole conversation.
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await listen(server, socketPath(name));
  return {
    [Symbol.asyncDispose]: async () => {
      await new Promise<void>((resolve) => server.close(() => resolve()));
      forgetLease(name);
    },
  };
}

/**
 * As `takeLease`, for a name that several runs may want at once: undefined while another holds it; a dead run's is
 * taken over. Linux only.
 */
export async function takeFreeLease(name: string): Promise<AsyncDisposable | undefined> {
  // No file system replaces only what is dead. An abstract socket is one taker's alone, and gone when that one dies.
  const taking = createServer();
  try {
    await listen(taking, `\0${socketPath(name)}`);
    if ((await leaseHolder(name)) === 'dead') rmSync(socketPath(name));
    return await takeLease(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  } finally {
    taking.close();
  }
}

const listen = (server: Server, path: string) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });

/** Asks whether the run that took the lease `name` still lives. */
export function leaseHolder(name: string): Promise<Holder> {
  return new Promise((resolve) => {
    const socket = connect(socketPath(name));
    socket.once('connect', () => {
      socket.destroy();
      resolve('alive');
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'ENOENT' ? 'unknown' : 'dead'),
    );
  });
}

/** A directory for files that must not outlive whatever is called `name`; `forgetLease` removes it. */
export function leaseFiles(name: string): string {
  const directory = join(leaseDirectory(), `${name}.files`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** The names of all leases whose run is dead. */
export async function deadLeases(): Promise<string[]> {
  const names = readdirSync(leaseDirectory()).flatMap((file) => /^(.*)\.lease$/.exec(file)?.[1] ?? []);
  const holders = await Promise.all(names.map(leaseHolder));
  return names.filter((_, index) => holders[index] === 'dead');
}

/** Forgets a dead run's lease, and the files that it had put beside it; called once all it had made is gone. */
export function forgetLease(name: string): void {
  for (const file of readdirSync(leaseDirectory()))
    if (file.startsWith(`${name}.`)) rmSync(join(leaseDirectory(), file), { recursive: true, force: true });
}

/** Removes files of names that begin so and have no lease: a command that was still running had put them there after the end. */
export function forgetStrays(prefix: string): void {
  const names = new Set(readdirSync(leaseDirectory()));
  for (const file of names)
    if (file.startsWith(prefix) && file.endsWith('.files') && !names.has(file.replace(/\.files$/, '.lease')))
      rmSync(join(leaseDirectory(), file), { recursive: true, force: true });
}
