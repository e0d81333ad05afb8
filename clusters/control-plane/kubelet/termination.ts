import { constants } from 'node:os';
import type { V1ContainerStateTerminated } from '@kubernetes/client-node';

/**
 * A container's last end as its status tells it, from what the machine says of the process: `exited`, a signal's name,
 * `exit code N` with its last words, or why it could not be started. A signal makes an exit code of 128 and its number.
 */
export function termination(why: string): V1ContainerStateTerminated {
  if (why === 'exited') return { exitCode: 0, reason: 'Completed' };
  // The kernel's OOM killer, which sends SIGKILL.
  if (why.startsWith('OOMKilled')) return { exitCode: 137, reason: 'OOMKilled' };
  const signal = (constants.signals as Readonly<Record<string, number>>)[why];
  if (signal !== undefined) return { exitCode: 128 + signal, reason: 'Error' };
  const [, code, message = ''] = /^exit code (\d+)\s*([\s\S]*)$/.exec(why) ?? [];
  if (code === undefined) return { exitCode: 128, reason: 'Error', message: why };
  return { exitCode: Number(code), reason: 'Error', ...(message === '' ? {} : { message }) };
}
