import { connect } from 'node:net';
import type { Speech } from '../config/client-protocol.ts';
import { clientProtocol } from '../config/client-protocol.ts';
import type { Ending } from '../contracts/connection.ts';
import { NotReachedError } from '../errors.ts';
import { dialWebSocket } from '../fleet/websocket.ts';
import type { Clock } from '../time/clock.ts';
import { formatDuration, type Millis } from '../time/duration.ts';
import type { CheckedServer, ServerExit } from './server.ts';

/** What became of one connection that was open when SIGTERM was sent. Times count from that moment. */
export interface CheckedConnection {
  /** Undefined: it was still open at the end. */
  readonly ending: Ending | undefined;
  readonly at: Millis | undefined;
}

/** What became of an attempt to connect after SIGTERM. */
interface CheckedAttempt {
  readonly at: Millis;
  readonly opened: boolean;
  /** Opened, how it ended. */
  ending?: Ending;
}

/** What was seen of a server that got SIGTERM. Times count from that moment. */
export interface Checked {
  readonly isFirst: boolean;
  /** As `CheckedServer.handlesTerm`, at the end of the look. */
  readonly handlesTerm: boolean | undefined;
  readonly connections: readonly CheckedConnection[];
  readonly attempts: readonly CheckedAttempt[];
  readonly exit: ServerExit | undefined;
  /** How long was looked. */
  readonly within: Millis;
}

/** How often somebody new comes after SIGTERM. */
const KNOCK_EVERY: Millis = 100;

/** How long all connections together may take to open. */
const OPEN_LIMIT: Millis = 10_000;

/**
 * Opens connections, sends SIGTERM, and watches what becomes of them, of those who come afterwards, and of the process.
 * Ends as soon as there is nothing more to see, or after `within`.
 * @throws NotReachedError where the server takes no connection, or ends before it is asked to.
 */
export async function checkServer(
  server: CheckedServer,
  options: {
    readonly clock: Clock;
    readonly speech: Speech;
    readonly connections: number;
    readonly startWithin: Millis;
    readonly within: Millis;
  },
): Promise<Checked> {
  const { clock, speech, within } = options;
  let exit: ServerExit | undefined;
  server.exited.then(
    (end) => {
      exit = end;
    },
    () => {},
  );
  const ended = () => {
    if (exit === undefined) return;
    const how = exit.signal ?? `exit code ${exit.code}`;
    throw new NotReachedError(`the server ended by itself (${how})${words(server)}`);
  };
  const deadline = clock.now() + options.startWithin;
  while (!(await listens(server.port))) {
    ended();
    if (clock.now() >= deadline)
      throw new NotReachedError(
        `nothing listens on port ${server.port} after ${formatDuration(options.startWithin)}${words(server)}; the server is given its port as PORT, or name the one that it takes with --port`,
      );
    await clock.sleep(50);
  }
  const protocol = clientProtocol(speech);
  const target = { url: `ws://127.0.0.1:${server.port}${protocol.path}`, protocol };
  const dial = (opened: () => void, closed: (ending: Ending) => void) =>
    dialWebSocket(target, { opened, answered() {}, asked() {}, closed });
  const open: { ending: Ending | undefined; at: Millis | undefined }[] = [];
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, () => {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof dial>>();
      const one: (typeof open)[number] = { ending: undefined, at: undefined };
      const late = clock.after(OPEN_LIMIT, () =>
        reject(new NotReachedError('a connection did not open within 10 s')),
      );
      let isOpen = false;
      const socket = dial(
        () => {
          isOpen = true;
          open.push(one);
          resolve(socket);
        },
        (ending) => {
          Object.assign(one, { ending, at: clock.now() });
          if (!isOpen)
            reject(new NotReachedError(`a connection did not open: ${refused(ending)}${words(server)}`));
        },
      );
      return promise.finally(() => late[Symbol.dispose]());
    }),
  );
  ended();
  const since = clock.now();
  await server.terminate();
  const attempts: CheckedAttempt[] = [];
  const newcomers: ReturnType<typeof dial>[] = [];
  const knock = () => {
    const at = clock.now() - since;
    let attempt: CheckedAttempt | undefined;
    const tell = (opened: boolean) => {
      attempt = { at, opened };
      attempts.push(attempt);
    };
    newcomers.push(
      dial(
        () => tell(true),
        (ending) => {
          if (attempt === undefined) tell(false);
          else attempt.ending = ending;
        },
      ),
    );
  };
  using _knocking = clock.every(KNOCK_EVERY, KNOCK_EVERY, knock);
  // A last look at whether the port still answers, once everything else is over.
  const over = () => exit !== undefined && open.every(({ at }) => at !== undefined);
  while (clock.now() - since < within && !over()) await clock.sleep(20);
  await clock.sleep(KNOCK_EVERY);
  // Node.js has a handler of its own that goes with the first SIGTERM, and lets a process 1 live.
  const handlesTerm = server.handlesTerm();
  for (const socket of [...sockets, ...newcomers]) socket.destroy();
  const from = (at: Millis | undefined) => (at === undefined ? undefined : Math.max(0, at - since));
  const gone = exit as ServerExit | undefined;
  return {
    isFirst: server.isFirst,
    handlesTerm,
    connections: open.map(({ ending, at }) => ({ ending, at: from(at) })),
    attempts,
    exit: gone && { ...gone, at: Math.max(0, gone.at - since) },
    within,
  };
}

const words = (server: CheckedServer) => {
  const said = server.lastWords();
  return said === '' ? '' : `; it said: ${said.replaceAll(/\s+/g, ' ')}`;
};

const refused = (ending: Ending) => (ending.how === 'refused' ? ending.why : ending.how);

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', end(true));
    socket.once('error', end(false));
  });
}
