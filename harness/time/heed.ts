import { InterruptedError } from '../errors.ts';

/**
 * What `work` comes to, unless `signal` is aborted first; `work` itself goes on, and nobody is told how it ends.
 * @throws InterruptedError as soon as the signal is aborted.
 */
export function heed<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new InterruptedError('interrupted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
