import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { ApiConnection } from './api-connection.ts';

/** How soon a log is followed again when the connection to it has ended. */
const AGAIN_AFTER: Millis = 500;

/**
 * Reads along with a pod's log, each line once and with the kubelet's time in front of it, while `wanted` and until
 * `signal` is aborted. The connection ends when nothing was said for some minutes, and is taken up where it ended.
 */
export async function followLog(
  pod: { readonly connection: ApiConnection; readonly namespace: string; readonly name: string },
  options: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    /** Where to begin, as a query of the API; default: with the first line there is. */
    readonly begin?: Readonly<Record<string, string>>;
    wanted(): boolean;
    line(text: string): void;
    /** Told each time that the log could not be read, or no longer. */
    failed?(why: Error): void;
  },
): Promise<void> {
  const { clock, signal, begin = {} } = options;
  const path = `/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log`;
  let last = '';
  const tell = (line: string) => {
    const [time = ''] = line.split(' ', 1);
    // `sinceTime` is rounded to seconds, so some lines come again; the kubelet's times order as text.
    if (time <= last) return;
    last = time;
    options.line(line);
  };
  while (!signal.aborted && options.wanted()) {
    const since = last === '' ? begin : { sinceTime: last };
    const query = { follow: 'true', timestamps: 'true', ...since };
    await pod.connection.lines(path, query, tell, signal).catch((why: Error) => {
      if (!signal.aborted) options.failed?.(why);
    });
    await clock.sleep(AGAIN_AFTER, signal).catch(() => {});
  }
}
