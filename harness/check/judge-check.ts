import type { VerdictName } from '../analyses/verdict.ts';
import { formatDuration, type Millis } from '../time/duration.ts';
import type { Checked, CheckedConnection } from './check-server.ts';

/** One thing that a server should do when it is told to end, and what it did. */
interface CheckLine {
  readonly name: string;
  readonly outcome: VerdictName;
  readonly says: string;
}

/** What a check found, and how a prediction says so. */
export interface CheckReport {
  readonly verdict: VerdictName;
  readonly lines: readonly CheckLine[];
  /** The axes that describe such a gateway, as they would be typed. */
  readonly predictWith: string;
  readonly checked: Checked;
}

/** Close codes that tell a client to come again: going away, service restart, try again later, and an application's own (RFC 6455 7.4, IANA). */
const COME_AGAIN = (code: number) => code === 1001 || code === 1012 || code === 1013 || code >= 3000;

/** Programs that start another one; as process 1 they hand no signal on. */
const SHELLS = /^(?:ba|da|a|z|k)?sh$/;
const RUNNERS = /^(?:npm|npx|yarn|pnpm)$/;

const time = (at: Millis | undefined) => formatDuration(at ?? 0);
const last = (connections: readonly CheckedConnection[]) =>
  Math.max(0, ...connections.map(({ at }) => at ?? 0));

/** Judges what was seen; `command` is what was started, where it was a command. */
export function judgeCheck(checked: Checked, command: readonly string[] = []): CheckReport {
  const lines = [closing(checked), newcomers(checked), exiting(checked), signalled(checked, command)].filter(
    (line) => line !== undefined,
  );
  const outcomes = lines.map(({ outcome }) => outcome);
  const verdict = outcomes.includes('fail') ? 'fail' : outcomes.includes('unknown') ? 'unknown' : 'pass';
  return { verdict, lines, predictWith: predictWith(checked), checked };
}

function closing({ connections, within }: Checked): CheckLine {
  const name = 'closes its connections';
  const count = connections.length;
  const closed = connections.filter(({ ending }) => ending?.how === 'close');
  const open = connections.filter(({ ending }) => ending === undefined);
  const cut = count - closed.length - open.length;
  const codes = new Map<number, number>();
  for (const { ending } of closed)
    if (ending?.how === 'close') codes.set(ending.code, (codes.get(ending.code) ?? 0) + 1);
  const said = [...codes].map(([code, number]) => `${number} with ${code}`).join(', ');
  if (open.length === count)
    return {
      name,
      outcome: 'fail',
      says: `none of ${count} connections was closed within ${time(within)}: they last until SIGKILL cuts them off`,
    };
  if (open.length > 0)
    return {
      name,
      outcome: 'fail',
      says: `${open.length} of ${count} connections were still open after ${time(within)} (closed: ${said || cut}); a paced drain needs --within and a grace period that are longer than it`,
    };
  if (cut > 0)
    return {
      name,
      outcome: 'fail',
      says: `${cut} of ${count} connections were cut without a close frame, ${time(last(connections))} after SIGTERM: clients cannot tell a release from a fault`,
    };
  const strange = [...codes.keys()].filter((code) => !COME_AGAIN(code));
  return strange.length > 0
    ? {
        name,
        outcome: 'fail',
        says: `all ${count} were closed, ${said}: ${strange.join(', ')} does not tell a client to come again (1001 and 1012 do), and many libraries do not after it`,
      }
    : {
        name,
        outcome: 'pass',
        says: `all ${count} were closed, ${said}, the last ${time(last(connections))} after SIGTERM`,
      };
}

function newcomers({ attempts, connections }: Checked): CheckLine {
  const name = 'what newcomers meet';
  const opened = attempts.filter((attempt) => attempt.opened);
  const cut = opened.filter(({ ending }) => ending !== undefined && ending.how !== 'close');
  const closed = opened.filter(({ ending }) => ending?.how === 'close');
  if (opened.length === 0)
    return {
      name,
      outcome: 'pass',
      says: 'it takes no new connection after SIGTERM: whoever is sent here before all nodes know that the pod is going is refused, so that a preStop sleep of some seconds is needed',
    };
  const until = time(Math.max(...opened.map(({ at }) => at)));
  if (cut.length > 0)
    return {
      name,
      outcome: 'fail',
      says: `it takes new connections until ${until} after SIGTERM and cuts ${cut.length} of ${opened.length} without a close frame`,
    };
  const after = connections.every(({ at }) => at !== undefined) ? '' : '; they are dropped with the process';
  return {
    name,
    outcome: 'pass',
    says: `it takes new connections until ${until} after SIGTERM (${closed.length} of ${opened.length} were told to go again)${after}`,
  };
}

function exiting({ exit, within }: Checked): CheckLine {
  const name = 'ends';
  if (exit === undefined)
    return {
      name,
      outcome: 'fail',
      says: `it had not ended ${time(within)} after SIGTERM; in a pod SIGKILL ends it when the grace period is over`,
    };
  const how = exit.signal === null ? `exit code ${exit.code}` : `by ${exit.signal} itself`;
  return exit.code === 0
    ? { name, outcome: 'pass', says: `it ended ${time(exit.at)} after SIGTERM, ${how}` }
    : {
        name,
        outcome: exit.signal === 'SIGTERM' || exit.code === 143 ? 'pass' : 'fail',
        says: `it ended ${time(exit.at)} after SIGTERM, ${how}`,
      };
}

/** What a server that does not react at all, or a shell in front of it, has to do with being process 1. */
function signalled(
  { isFirst, handlesTerm, connections, exit }: Checked,
  command: readonly string[],
): CheckLine | undefined {
  const name = 'is process 1';
  const program = command[0]?.split('/').at(-1) ?? '';
  const starter = SHELLS.test(program) || RUNNERS.test(program);
  const still = exit === undefined && connections.every(({ at }) => at === undefined);
  if (!isFirst)
    return {
      name,
      outcome: starter ? 'unknown' : 'pass',
      says: 'this machine lets no process be the first of its own world (unshare): in a container a process without a handler for SIGTERM never gets it, which was not tried here',
    };
  const deaf = still && handlesTerm === false;
  if (starter && deaf)
    return {
      name,
      outcome: 'fail',
      says: `SIGTERM went to ${program} as process 1, which neither ends by it nor hands it on: the server never got it. Start the server itself, or write exec before it in the script`,
    };
  if (deaf)
    return {
      name,
      outcome: 'fail',
      says: 'as process 1 it has no handler for SIGTERM, so that the kernel does not even deliver it: give it one, or put an init such as tini in front',
    };
  if (still && handlesTerm === undefined)
    return {
      name,
      outcome: 'unknown',
      says: 'nothing at all happened: either SIGTERM never reached the server (a shell as process 1, or no handler for it), or it takes longer than --within',
    };
  return starter && !still
    ? { name, outcome: 'pass', says: `${program} gave its place to the server (exec), or handed SIGTERM on` }
    : undefined;
}

function predictWith({ connections, exit, within }: Checked): string {
  const closed = connections.filter(({ ending }) => ending?.how === 'close');
  if (closed.length < connections.length / 2)
    return exit === undefined
      ? `--drain abrupt --grace ${time(within)} (or your grace period: SIGKILL ends it)`
      : '--drain abrupt';
  return last(connections) > 2000
    ? `--drain paced --drain-over ${time(last(connections))}`
    : '--drain close-all';
}

const MARKS: Readonly<Record<VerdictName, string>> = { pass: 'ok  ', fail: 'FAIL', unknown: '?   ' };

/** The report for a terminal. */
export const checkText = ({ verdict, lines, predictWith: predicted }: CheckReport): string =>
  [
    ...lines.map(({ name, outcome, says }) => `${MARKS[outcome]} ${name}: ${says}`),
    `verdict: ${verdict}`,
    `predict releases of it with: onedrop scenario rolling-update ${predicted}`,
  ].join('\n');
